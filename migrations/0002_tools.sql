-- What tools did, for `GET /v1/stats`: one row for each hour in which runs with calls of tools ended, and one row
-- written for such a run, however many tools it called. A run without any writes nothing here.
--
-- `counters` is a flat JSON object of numbers that add up, each under `<counter> <tool>`: `answered`, `error.<code>`,
-- and a histogram of latencies, `l<bucket>`. Tools that a run was not offered count as one, because a model can make up
-- any number of names.
CREATE TABLE tool_hours (
  tenant   TEXT    NOT NULL,
  hour     INTEGER NOT NULL, -- when it begins, in milliseconds since the epoch
  counters TEXT    NOT NULL,
  PRIMARY KEY (tenant, hour)
) STRICT, WITHOUT ROWID;
