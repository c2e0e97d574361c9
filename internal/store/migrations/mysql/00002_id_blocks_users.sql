-- +goose Up
INSERT INTO id_blocks (name, next_id) VALUES ('users', 1) ON DUPLICATE KEY UPDATE next_id = next_id;

-- +goose Down
DELETE FROM id_blocks WHERE name = 'users';
