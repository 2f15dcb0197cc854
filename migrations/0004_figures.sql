-- What a run's row says in addition: how long it waited, which of its models failed, and what its calls came to, so that
-- runs can be found by these and added up by their labels. The table is made anew: what filters read stands before
-- the texts. What runs from before called is not known.
--
-- Of a model: its name, answers, input, output and all tokens, US dollars, an object of errors by their type, and
-- for each answer the bucket of its latency, and of its time to the first chunk.
CREATE TABLE runs (
  tenant        TEXT    NOT NULL,
  accepted_at   INTEGER NOT NULL, -- milliseconds since the epoch, like every time here
  trace_id      TEXT    NOT NULL, -- 32 hex digits
  session       TEXT    NOT NULL,
  run           INTEGER NOT NULL,
  status        TEXT    NOT NULL,
  stop_reason   TEXT,
  error_type    TEXT,
  agent         TEXT    NOT NULL,
  model         TEXT    NOT NULL, -- those of a comparison, joined by commas; what took a run over after `,\n,`
  iterations    INTEGER NOT NULL,
  attempts      INTEGER NOT NULL,
  resumed       INTEGER NOT NULL,
  input_tokens  INTEGER,          -- NULL is unknown, never 0
  output_tokens INTEGER,
  total_tokens  INTEGER,
  cost_usd      REAL,
  started_at    INTEGER,
  ended_at      INTEGER,          -- NULL while the run is open
  waiting_ms    INTEGER NOT NULL DEFAULT 0,    -- of a run that ended: in the queue, and for people
  failed_models TEXT    NOT NULL DEFAULT '',   -- those whose last attempt failed, joined by commas
  metadata      TEXT    NOT NULL,              -- JSON with a line break before and after each member
  models        TEXT    NOT NULL DEFAULT '[]', -- a JSON array for each model that it called, see below
  tools         TEXT    NOT NULL DEFAULT '[]', -- the same of tools
  task          TEXT,                          -- NULL where CAPTURE lets nothing out
  result        TEXT,
  PRIMARY KEY (tenant, accepted_at, trace_id)
) STRICT, WITHOUT ROWID;

INSERT INTO runs (tenant, accepted_at, trace_id, session, run, status, stop_reason, error_type, agent, model, iterations,
  attempts, resumed, input_tokens, output_tokens, total_tokens, cost_usd, started_at, ended_at, metadata, task, result)
SELECT tenant, accepted_at, trace_id, session, run, status, stop_reason, error_type, agent, model, iterations, attempts,
  resumed, input_tokens, output_tokens, total_tokens, cost_usd, started_at, ended_at, metadata, task, result FROM traces;

DROP TABLE traces;

ALTER TABLE runs RENAME TO traces;
