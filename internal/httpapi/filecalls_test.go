package httpapi_test

import (
	"fmt"
	"strings"

	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/user"
)

const usersCSV = `email\nada@example.com` // without a space, which would end it in a call

// fileCalls lists every status of every route about files.
func fileCalls() []call {
	post, preview, rejected := "POST /api/v1/import/file", "POST /api/v1/import/preview", "GET /api/v1/jobs/"+jobID+"/rejected"
	secret := fmt.Errorf("dial tcp 10.1.2.3: password hunter2 refused")
	has := func(f *fakes) { f.stored[jobID] = sampleFile(job.InProgress) }
	var all []call
	for _, route := range []string{post, preview} {
		all = append(all,
			call{route + " " + usersCSV, nil, nil, 400, "user_id_missing"},
			call{route + "?what=1 " + usersCSV, ada, nil, 400, "validation_failed"},
			call{route, ada, nil, 400, "empty_file"},
			call{route + "?uploadId=" + otherID, ada, nil, 404, "upload_not_found"},
			call{route + "?from=gone.csv", ada, nil, 404, "file_not_found"},
			call{route + "?from=in/users.csv", ada, func(f *fakes) { f.sourceErr = job.ErrFilesUnavailable }, 503, "files_unavailable"},
			call{route + "?from=in/users.csv " + usersCSV, ada, nil, 400, "validation_failed"},
			call{route + " " + usersCSV, append(as{"Content-Encoding", "br"}, ada...), nil, 415, "unsupported_media_type"},
			call{route + " " + usersCSV, append(as{"Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"}, ada...), nil, 403, "forbidden"},
		)
	}
	all = append(all,
		call{post + " " + usersCSV, ada, nil, 202, ""},
		call{post + "?from=in/users.csv", ada, nil, 202, ""},
		call{post + " " + usersCSV, append(as{"Prefer", "wait=5"}, ada...), func(f *fakes) { f.live[jobID] = sampleFile(job.Completed) }, 201, ""},
		call{post + "?parentJobId=" + jobID + " " + usersCSV, ada, has, 202, ""},
		call{post + "?parentJobId=" + jobID + " " + usersCSV, ada, nil, 404, "job_not_found"},
		call{post + "?parentJobId=" + jobID + " " + usersCSV, ada, func(f *fakes) { f.stored[jobID] = sample(job.Completed) }, 400, "validation_failed"},
		call{post + " " + usersCSV, ada, func(f *fakes) { f.submitErr = &job.BatchLimitError{Count: 100_000, Max: 10} }, 400, "batch_limit_exceeded"},
		call{post + " " + usersCSV, ada, func(f *fakes) { f.submitErr = job.ErrKeyReused }, 422, "idempotency_key_reused"},
		call{post + " " + usersCSV, ada, func(f *fakes) { f.submitErr = &job.LimitError{Tier: "XL", Limit: 1, InUse: 1} }, 429, "tier_limit_reached"},
		call{post + " " + usersCSV, ada, failing(job.ErrQueueFull), 503, "queue_full"},
		call{post + " " + usersCSV, ada, failing(secret), 500, "internal_error"},

		call{preview + " " + usersCSV, ada, nil, 200, ""},
		call{preview + "?from=in/users.csv", ada, nil, 200, ""},
		call{preview + " " + usersCSV, ada, func(f *fakes) { f.previewErr = secret }, 500, "internal_error"},

		call{rejected, append(as{"Accept-Encoding", "identity;q=0, gzip;q=0, zstd;q=0"}, ada...), has, 406, "not_acceptable"},
		call{rejected, ada, func(f *fakes) { f.stored[jobID] = sample(job.Completed) }, 404, "job_has_no_file"},
		call{rejected + "?format=xlsx", ada, has, 400, "validation_failed"},

		call{"POST /api/v1/users?onDuplicate=skip " + byronJSON, nil, nil, 201, ""},
		call{"POST /api/v1/users?onDuplicate=update " + byronJSON, nil, func(f *fakes) { f.duplicate = "updated" }, 200, ""},
		call{"POST /api/v1/users?onDuplicate=reject " + byronJSON, nil, func(f *fakes) { f.duplicate = "rejected" }, 409, "duplicate_user"},
		call{"POST /api/v1/users?onDuplicate=fill " + byronJSON, nil, func(f *fakes) { f.duplicate, f.userErr = "updated", user.ErrAmbiguous }, 409, "ambiguous_key"},
		call{"POST /api/v1/users?onDuplicate=what " + byronJSON, nil, nil, 400, "validation_failed"},
	)
	for _, c := range jobCalls(rejected, 200) {
		if c.status == 200 {
			c.given = has
		}
		all = append(all, c)
	}
	for _, code := range strings.Fields("empty_file unknown_format unknown_charset unreadable bomb bad_header too_many_columns too_large needs_whole_file no_known_column no_key_column bad_map") {
		all = append(all, call{preview + " " + usersCSV, ada, func(f *fakes) { f.previewErr = &job.FileError{Code: code, Message: "it is so"} }, 400, code})
	}
	return all
}
