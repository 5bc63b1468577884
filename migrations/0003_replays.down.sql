-- Takes 0003_replays back.
DROP VIEW dead_letter_contents;
DROP FUNCTION shown_time;
DROP TABLE replays;
DROP INDEX dead_letters_open, dead_letters_by_provider;
ALTER TABLE dead_letters DROP COLUMN class;
