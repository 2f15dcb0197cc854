-- The calls that wait for a person, for `GET /v1/approvals`: a row is written when one begins to wait, and deleted when
-- somebody has decided, or its run is over. The session is the truth; a row here may be late.
CREATE TABLE approvals (
  tenant       TEXT    NOT NULL,
  requested_at INTEGER NOT NULL, -- milliseconds since the epoch
  session      TEXT    NOT NULL,
  seq          INTEGER NOT NULL, -- of the event that asks
  run          INTEGER NOT NULL,
  trace_id     TEXT    NOT NULL, -- 32 hex digits
  call         INTEGER NOT NULL,
  kind         TEXT    NOT NULL,
  tool         TEXT    NOT NULL,
  agent        TEXT    NOT NULL,
  effect       TEXT,
  rule         TEXT,
  digest       TEXT,
  by_another   INTEGER NOT NULL,
  expires_at   INTEGER,
  summary      TEXT,             -- NULL where CAPTURE lets nothing out
  arguments    TEXT,
  PRIMARY KEY (tenant, requested_at, session, seq)
) STRICT, WITHOUT ROWID;
