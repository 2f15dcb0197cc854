/** The JSON of the HTTP API. Unknown numbers are null, never 0; times are milliseconds since the epoch. */

export type RunStatus = "queued" | "running" | "waiting" | "succeeded" | "failed" | "cancelled";

export const OPEN_STATUSES: readonly RunStatus[] = ["queued", "running", "waiting"];
export const STATUSES: readonly RunStatus[] = [...OPEN_STATUSES, "succeeded", "failed", "cancelled"];

export function isOpen(status: RunStatus): boolean {
  return OPEN_STATUSES.includes(status);
}

export interface Usage {
  input_tokens: number | null;
  output_tokens: number | null;
  total_tokens: number | null;
  cost_usd: number | null;
}

export interface RunFault {
  code: string;
  message: string;
}

export type Scalar = string | number | boolean;
export type Metadata = Record<string, Scalar>;

/** Answer of `GET /v1/sessions/{session}/runs/{run}`. */
export interface Run {
  session: string;
  run: number;
  status: RunStatus;
  stop_reason: string | null;
  result: string | null;
  error: RunFault | null;
  agent: string;
  model: string;
  iterations: number;
  attempts: number;
  usage: Usage;
  accepted_at: number;
  started_at: number | null;
  ended_at: number | null;
  trace_id: string;
  /** Only of a comparison, in the order of its models. */
  comparison?: ComparedModel[];
}

export interface ComparedModel {
  model: string;
  call: number;
  status: "running" | "waiting" | "succeeded" | "failed" | "cancelled";
  attempts: number;
  text: string | null;
  error: RunFault | null;
  finish_reason: string | null;
  usage: Usage | null;
  latency_ms: number | null;
  time_to_first_chunk_ms: number | null;
}

/** Answer of `GET /v1/sessions/{session}`; runs newest first. */
export interface Session {
  session: string;
  status: RunStatus | null;
  created_at: number | null;
  seq: number;
  runs: Run[];
}

/** Answer of `POST /v1/sessions`, `POST /v1/sessions/{session}/runs` and `POST /v1/compare`. */
export interface Accepted {
  session: string;
  run: number;
  status: RunStatus;
  trace_id: string;
}

export interface Budget {
  total_tokens?: number;
  cost_usd?: number;
  deadline_ms?: number;
}

/** Body of `POST /v1/sessions` and `POST /v1/sessions/{session}/runs`. */
export interface NewRun {
  task: string;
  agent?: string;
  model?: string;
  instructions?: string;
  max_iterations?: number;
  budget?: Budget;
  metadata?: Metadata;
}

/** Body of `POST /v1/compare`. */
export interface NewComparison {
  task: string;
  models: string[];
  agent?: string;
  instructions?: string;
  budget?: Budget;
  metadata?: Metadata;
}

/** A row of `GET /v1/traces`. */
export interface TraceRow {
  trace_id: string;
  session: string;
  run: number;
  status: RunStatus;
  stop_reason: string | null;
  error_type: string | null;
  agent: string;
  /** Of a comparison the names of its models, joined by commas. */
  model: string;
  task: string | null;
  result: string | null;
  metadata: Metadata;
  iterations: number | null;
  attempts: number | null;
  resumed: number | null;
  usage: Usage;
  accepted_at: number;
  started_at: number | null;
  ended_at: number | null;
  duration_ms: number | null;
}

export interface TracePage {
  traces: TraceRow[];
  next: string | null;
}

/** Answer of `GET /v1/agents`. */
export interface Deployment {
  agents: { name: string; model: string | null; max_iterations: number }[];
  default_model: string | null;
  /** Whether the index (D1) is bound. */
  index: boolean;
  tenant: string;
}

export interface Percentiles {
  p50: number | null;
  p95: number | null;
  p99: number | null;
}

export interface Counters {
  /** Attempts that ended. */
  calls: number;
  answered: number;
  errors: Record<string, number>;
  error_count: number;
  empty: number;
  latency_ms: Percentiles;
  time_to_first_chunk_ms: Percentiles;
  usage: Usage;
}

export interface ModelStats extends Counters {
  model: string;
  /** Only hours in which there were calls. */
  hours: ({ at: number } & Counters)[];
}

/** Answer of `GET /v1/stats`; models with most calls first. */
export interface Stats {
  since: number;
  until: number;
  bucket_ms: number;
  models: ModelStats[];
}

export type Role = "system" | "user" | "assistant" | "tool";

export interface ToolCall {
  id: string;
  name: string;
  arguments: string;
}

export interface Message {
  role: Role;
  content: string;
  tool_calls?: ToolCall[];
}

/** Answer of `GET …/trace`. */
export interface Trace {
  trace_id: string;
  session: string;
  run: number;
  name: string;
  agent: string;
  model: string;
  status: RunStatus;
  stop_reason: string | null;
  started_at: number;
  ended_at: number | null;
  usage: Usage;
  iterations: number;
  attempts: number;
  resumed: number;
  metadata: Metadata;
  /** The root, then the calls in the order in which they were promised. */
  spans: Span[];
}

export interface Span {
  span_id: string;
  parent_span_id: string | null;
  name: string;
  kind: "internal" | "client";
  started_at: number;
  ended_at: number | null;
  duration_ms: number | null;
  status: "unset" | "ok" | "error";
  error_type: string | null;
  error_message: string | null;
  /** Null for the root and for spans that agent code opened. */
  call: number | null;
  attempt: number | null;
  iteration: number | null;
  /** Full name, with the provider's prefix; only of a call. */
  model?: string | null;
  usage: Usage | null;
  latency_ms: number | null;
  time_to_first_chunk_ms: number | null;
  attributes: Record<string, unknown>;
  input: Message[];
  /** Messages between the system message and the oldest one shown. */
  input_left_out: number;
  output: Message | null;
  events: { name: string; at: number; attributes: Record<string, unknown> }[];
}
