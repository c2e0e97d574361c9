package store

import (
	"github.com/jmoiron/sqlx"

	"github.com/musterhq/muster/internal/job"
)

// A sharded database keeps rows of one block on one shard. Users, chunks, and what is written in a chunk's transaction have a
// block; a chunk's users have that of the chunk, so that a batch stays one transaction. docs/adr/0034 has the rest.

// blockBits: a block has 2^17 = 131,072 ids.
const blockBits = 17

// MaxChunkRows is how many rows a chunk may have at most on a sharded database, so that the id of a user tells of two blocks
// that it is in one of them.
const MaxChunkRows = 1 << blockBits

// prepareBlock is the block of the chunks by which files are prepared, which have no users.
const prepareBlock = 0

// blockOf returns the block of an id, which is that of a user who was created alone.
func blockOf(id int64) int64 { return id >> blockBits }

// blocksOf returns the two blocks of which a user with this id is in one: a chunk that begins in the first may reach into the second.
func blocksOf(id int64) (before, own int64) { return max(blockOf(id)-1, 0), blockOf(id) }

// chunkBlock returns the block of the chunk of j that begins at this row.
func chunkBlock(j *job.Job, no int, row int64) int64 {
	if no == job.PrepareChunk {
		return prepareBlock
	}
	return blockOf(j.FirstID + row)
}

// eachShard, after the verb of a statement that changes rows of several shards, lets a sharded database commit on each of them by
// itself, and is a comment to others. Only for statements that are harmless to repeat.
const eachShard = `/*vt+ MULTI_SHARD_AUTOCOMMIT=1 */ `

// beside returns what changes chunks, and what belongs to them, while tx holds rows of jobs: tx itself, and on a sharded database,
// where those are on other servers, other connections.
func (s *Store) beside(tx *sqlx.Tx) sqlx.ExecerContext {
	if s.dialect.sharded {
		return s.w
	}
	return tx
}
