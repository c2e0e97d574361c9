-- +goose Up
-- The counts of a paused job stood in its chunks only: finalizing it again puts them into its row. What the column said
-- before were sentences.
UPDATE jobs SET wait_reason = '', finalized_at = CASE WHEN status = 'PAUSED' THEN 0 ELSE finalized_at END;

-- +goose Down
SELECT 1;
