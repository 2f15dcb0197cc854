-- The index of runs, for `GET /v1/traces` and `GET /v1/stats`. The journals are the truth; these rows are a view.
--
-- A run is written about three times: its row when it is accepted, the same row when it ends, and the day of its
-- calls. There are no further indexes, because each would be one more row written; the primary keys are the orders
-- in which rows are read. In `traces` the texts come last, so that a filter on the columns before them need not read
-- what a row keeps on overflow pages.

CREATE TABLE traces (
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
  metadata      TEXT    NOT NULL, -- JSON with a line break before and after each member
  task          TEXT,             -- NULL where CAPTURE lets nothing out
  result        TEXT,
  PRIMARY KEY (tenant, accepted_at, trace_id)
) STRICT, WITHOUT ROWID;

-- What each model did on a day, as numbers that add up: `answered`, `error.<type>`, `input_tokens`, `output_tokens`,
-- `total_tokens`, `cost_usd`, and histograms: `l<bucket>` of latencies and `f<bucket>` of times to the first chunk.
-- The day's sum is beside its hours, so that a run writes one row and a question about months reads little.
CREATE TABLE model_days (
  tenant   TEXT    NOT NULL,
  day      INTEGER NOT NULL, -- when it begins, UTC
  model    TEXT    NOT NULL,
  counters TEXT    NOT NULL, -- a flat JSON object
  hours    TEXT    NOT NULL, -- a JSON object: `h0` to `h23`, each such a flat object
  PRIMARY KEY (tenant, day, model)
) STRICT, WITHOUT ROWID;
