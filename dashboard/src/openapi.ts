// Generated from static/openapi.json: do not edit, run `cargo xtask openapi`.

export interface paths {
    "/": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The dashboard */
        get: operations["dashboard"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/healthz": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Says that the Worker lives, and its version */
        get: operations["health"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/oauth/client.json": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Says who the deployment is, for issuers of tokens that take a document's address as a client's id */
        get: operations["clientDocument"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/openapi.json": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** This document */
        get: operations["describe"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/readyz": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Says whether the configuration can serve
         * @description Where it cannot, `errors` names each variable and binding at fault, and never a value.
         */
        get: operations["ready"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/agents": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Shows what the deployment offers */
        get: operations["listAgents"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/approvals": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Lists the tool calls that wait for a person, the oldest first
         * @description The index may be late: the session is the truth, and a decision there is about what is open.
         */
        get: operations["listApprovals"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/bulk/{receipt}": {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The receipt's id. */
                receipt: components["parameters"]["Receipt"];
            };
            cookie?: never;
        };
        /** Shows how far a request for many sessions is */
        get: operations["showReceipt"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/cancel": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Cancels the open runs of all sessions that have one that fits
         * @description It goes on by itself, through restarts. At least one filter is required. A session with another open run, which does not fit, is left as it is.
         */
        post: operations["cancelMany"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/compare": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Gives one task to several models side by side
         * @description It makes a session with one run, in which each model is called once, retries aside.
         */
        post: operations["compare"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/mcp/authorizations": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Takes what a person brought back from the page of an MCP server's issuer
         * @description A code is redeemed, and the token serves the whole tenant. Sessions that wait for the server go on. An error is answered as one: nothing is changed then.
         */
        post: operations["authorizeMcp"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/mcp/links": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Makes a link by which whoever asks authorises an MCP server
         * @description The server is asked who issues its tokens, and the deployment registers there if it must. The link is good for an hour, once, and only whoever asked can bring its answer.
         */
        post: operations["openMcpLink"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/mcp/servers": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Lists the deployment's MCP servers, and which of them the tenant has authorised */
        get: operations["listMcpServers"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/mcp/servers/{server}/authorization": {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The server's name. */
                server: components["parameters"]["McpServer"];
            };
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /**
         * Forgets the tokens of an MCP server; again it changes nothing
         * @description The issuer is not told: there a token may stay good until it is over.
         */
        delete: operations["forgetMcpAuthorization"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/models": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Says what is known of the models that the deployment names, or that the tenant's runs called */
        get: operations["listModels"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/sessions": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Starts a session with its first run */
        post: operations["startSession"];
        /**
         * Erases all sessions that have a run that fits
         * @description It goes on by itself, through restarts. At least one filter is required. A session with another run, which does not fit or was accepted after the request, is left as it is.
         */
        delete: operations["eraseMany"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/sessions/import": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Makes a session of an export
         * @description All of it is checked and replayed before anything is kept. The session begins another life: its runs have new trace ids. Runs that were open are cancelled. No sink is told again of what happened before; the index lists the runs again.
         */
        post: operations["importSession"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/sessions/{session}": {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The session's id. */
                session: components["parameters"]["Session"];
            };
            cookie?: never;
        };
        /** Shows a session and its runs, the newest first */
        get: operations["showSession"];
        put?: never;
        post?: never;
        /** Cancels what runs, then erases the session */
        delete: operations["deleteSession"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/sessions/{session}/approvals/{call}": {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The session's id. */
                session: components["parameters"]["Session"];
                /** @description The number of the tool call in its session. */
                call: components["parameters"]["Call"];
            };
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Decides about a tool call that waits for a person
         * @description The decision is about the last request of the call, or the one that is named. The second decision about a request changes nothing and gets the first.
         */
        post: operations["resolveApproval"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/sessions/{session}/calls/{call}/result": {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The session's id. */
                session: components["parameters"]["Session"];
                /** @description The number of the tool call in its session. */
                call: components["parameters"]["Call"];
            };
            cookie?: never;
        };
        /** Shows what a tool call gave, whole */
        get: operations["showResult"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/sessions/{session}/cancel": {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The session's id. */
                session: components["parameters"]["Session"];
            };
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Cancels the running and the queued runs; again it changes nothing */
        post: operations["cancelSession"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/sessions/{session}/events": {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The session's id. */
                session: components["parameters"]["Session"];
            };
            cookie?: never;
        };
        /**
         * Reads the session's events: a page, server-sent events or a WebSocket
         * @description Every reader gets every event after the cursor, once and in the same order.
         */
        get: operations["listEvents"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/sessions/{session}/export": {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The session's id. */
                session: components["parameters"]["Session"];
            };
            cookie?: never;
        };
        /**
         * Gives the session's journal as a text
         * @description Each line is a JSON object: a head, the rows, after each the results that it does not hold whole, and an end with the count and the SHA-256 of the lines before it. A text without that end is not whole.
         */
        get: operations["exportSession"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/sessions/{session}/messages": {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The session's id. */
                session: components["parameters"]["Session"];
            };
            cookie?: never;
        };
        /** Shows the conversation, the oldest message first */
        get: operations["listMessages"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/sessions/{session}/runs": {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The session's id. */
                session: components["parameters"]["Session"];
            };
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Adds the next task to a session
         * @description The runs of a session are made one after the other, each with the conversation so far. With `steer` the task joins the run under way instead: its model gets it with the next call, and the answer is that run.
         */
        post: operations["startRun"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/sessions/{session}/runs/{run}": {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The session's id. */
                session: components["parameters"]["Session"];
                /** @description The run's number in its session. */
                run: components["parameters"]["Run"];
            };
            cookie?: never;
        };
        /** Shows a run */
        get: operations["showRun"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/sessions/{session}/runs/{run}/trace": {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The session's id. */
                session: components["parameters"]["Session"];
                /** @description The run's number in its session. */
                run: components["parameters"]["Run"];
            };
            cookie?: never;
        };
        /** Shows the trace of a run */
        get: operations["showTrace"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/stats": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Says what each model did: calls, errors, latency, tokens and cost */
        get: operations["showStats"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/tenants": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Lists the tenants that a token names */
        get: operations["listTenants"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/tenants/{tenant}/suspension": {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The tenant's name. */
                tenant: components["parameters"]["Tenant"];
            };
            cookie?: never;
        };
        /** Says whether a tenant is suspended */
        get: operations["showSuspension"];
        /**
         * Suspends a tenant: its open runs are cancelled, and it starts no further one; again it changes nothing
         * @description It is stored before it is answered. The runs are cancelled one after the other then, whatever happens. What the tenant posts is 403; it can read, cancel and delete.
         */
        put: operations["suspendTenant"];
        post?: never;
        /** Lets a suspended tenant in again; again it changes nothing */
        delete: operations["letTenantIn"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/traces": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Searches the runs of all sessions, the newest first */
        get: operations["listTraces"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        /** @description A run that is stored. A request with the key of an earlier one gets the same answer. */
        Accepted: {
            /** @description Where to look next. */
            links: components["schemas"]["Links"];
            /** @description The run's number in its session. */
            run: number;
            /** @description The session of the run. */
            session: components["schemas"]["Id"];
            /**
             * @description Where the run stood when it was stored.
             * @constant
             */
            status: "queued";
            /** @description The id of the run's trace. */
            trace_id: components["schemas"]["TraceId"];
        };
        /**
         * @description What is done to each session.
         * @enum {string}
         */
        Action: "cancel" | "erase";
        /** @description An agent of the deployment. */
        Agent: {
            /** @description What it is for; null where nobody said. */
            description: string | null;
            /** @description The models that take its runs over, one after the other. */
            fallbacks: string[];
            /** @description What its runs may spend, unless a run says otherwise. */
            limits: components["schemas"]["AgentLimits"];
            /** @description Answers per run at most, unless a run says less. */
            max_iterations: number;
            /** @description Its own model; null where it takes the default. */
            model: string | null;
            /** @description Its name. */
            name: string;
            /** @description The JSON schema of its results, unless a run says otherwise; absent where they are any text. */
            output_schema?: {
                [key: string]: unknown;
            };
            /** @description The MCP servers that each of its runs asks for further tools, by name. */
            servers: string[];
            /** @description What its models may call, unless a run names fewer. */
            tools: components["schemas"]["Tool"][];
        };
        /** @description What a run may spend; null where nothing bounds it. */
        AgentLimits: {
            /** @description US dollars of all calls. */
            cost_usd: number | null;
            /** @description Milliseconds from the acceptance to the end. */
            deadline_ms: number | null;
            /** @description Calls of tools. */
            tool_calls: number | null;
            /** @description Tokens of all calls. */
            total_tokens: number | null;
        };
        /** @description A page of calls that wait for a person. */
        ApprovalPage: {
            /** @description The oldest first. */
            approvals: components["schemas"]["ApprovalSummary"][];
            /** @description The `cursor` of the next page; null in the last one. */
            next: string | null;
        };
        /** @description A tool call waits for a person. */
        ApprovalRequested: {
            /** @description Its arguments. */
            arguments: unknown;
            /** @description The attempt that is in doubt; absent where none was made. */
            attempt?: components["schemas"]["Attempt"];
            /** @description Whether somebody else must decide than who started or steered the run. */
            by_another?: boolean;
            /** @description The call. */
            call: components["schemas"]["Call"];
            /** @description The arguments' digest: SHA-256 over their RFC 8785 form, in lower-case hex. */
            digest?: string;
            /** @description What a crash may do to it. */
            effect?: ("read" | "idempotent" | "once") | null;
            /** @description When the request expires. */
            expires_at?: components["schemas"]["Time"];
            /** @description What is asked: whether the call is made, where this is absent. */
            kind?: ("call" | "in_doubt" | "input" | "authorize") | null;
            /** @description The rule that asks. */
            rule?: string;
            /** @description The JSON Schema of the answer that the tool's server asks for, an object's. */
            schema?: unknown;
            /** @description What the call does, in a sentence of the tool's own code; what a server asks for, in its words. */
            summary?: string;
            /** @description The tool's name. */
            tool: string;
            /** @constant */
            type: "approval.requested";
            /** @description The page that a person is to visit. */
            url?: string;
        } & (WithRequired<components["schemas"]["Envelope"], "type"> & {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "approval.requested";
        });
        /** @description A request to a person is closed. */
        ApprovalResolved: {
            /** @description The arguments with which the call is made instead. */
            arguments?: unknown;
            /** @description Who decided: `tenant/actor`, a tenant, or `system:…`. */
            by: string;
            /** @description The call. */
            call: components["schemas"]["Call"];
            /**
             * @description How: `approve` and `deny` are of journals from before there were tools.
             * @enum {string}
             */
            decision: "approved" | "edited" | "denied" | "expired" | "settled" | "retried" | "answered" | "authorized" | "withdrawn" | "approve" | "deny";
            /** @description What the tool's server is answered. */
            input?: unknown;
            /** @description Why. */
            reason: string | null;
            /** @constant */
            type: "approval.resolved";
        } & (WithRequired<components["schemas"]["Envelope"], "type"> & {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "approval.resolved";
        });
        /** @description A call that waits for a person, as the index has it. What is unknown, or not let out, is null. */
        ApprovalSummary: {
            /** @description The agent's name. */
            agent: string;
            /** @description The arguments as JSON, as much of it as the deployment lets out. The session has the whole. */
            arguments: string | null;
            /** @description Whether somebody else must decide than who started or steered the run. */
            by_another: boolean;
            /** @description The call. */
            call: components["schemas"]["Call"];
            /** @description SHA-256 over the RFC 8785 form of the arguments, in lower-case hex. */
            digest: string | null;
            /** @description What a crash may do to the call: `read`, `idempotent` or `once`. */
            effect: string | null;
            /** @description When the request expires. */
            expires_at: components["schemas"]["Time"] | null;
            /** @description What is asked: `call`, or `in_doubt`. */
            kind: string;
            /** @description The `seq` of the event that asks, which names the request. */
            request: number;
            /** @description When the call began to wait. */
            requested_at: components["schemas"]["Time"];
            /** @description The rule that asks. */
            rule: string | null;
            /** @description The run's number in its session. */
            run: number;
            /** @description The session's id. */
            session: components["schemas"]["Id"];
            /** @description What the call does, as much of it as the deployment lets out. */
            summary: string | null;
            /** @description Whose it is. */
            tenant: string;
            /** @description The tool's name. */
            tool: string;
        };
        /** @description The number of an attempt, from 1. */
        Attempt: number;
        /** @description Named values, as OpenTelemetry names them. */
        Attributes: {
            [key: string]: string | number | boolean | string[];
        };
        /** @description What a model did in one bucket. */
        BucketStats: {
            /** @description Attempts that were answered. */
            answered: number;
            /** @description When the bucket begins. */
            at: components["schemas"]["Time"];
            /** @description Attempts that ended, unless somebody cancelled them. */
            calls: number;
            /** @description Answers without a text, which are errors too. */
            empty: number;
            /** @description How many attempts failed. */
            error_count: number;
            /** @description How many attempts failed, by their fault. */
            errors: {
                [key: string]: number;
            };
            /** @description From the request to the whole answer, of calls that were answered, in milliseconds. */
            latency_ms: components["schemas"]["Percentiles"];
            /** @description From the request to the first chunk of text, of answers that came in chunks, in milliseconds. */
            time_to_first_chunk_ms: components["schemas"]["Percentiles"];
            /** @description What the answers used. */
            usage: components["schemas"]["Usage"];
        };
        /** @description What a run may spend; it is checked before each call. */
        Budget: {
            /** @description US dollars of all calls. */
            cost_usd?: number | null;
            /** @description Milliseconds from the acceptance to the end, at most 30 days. */
            deadline_ms?: number | null;
            /** @description Tool calls that are made. */
            tool_calls?: number | null;
            /** @description Tokens of all calls. */
            total_tokens?: number | null;
        };
        /** @description Paths of this server. */
        BulkLinks: {
            /** @description The receipt. */
            self: string;
        };
        /** @description What has come of a request for many sessions so far. */
        BulkReceipt: {
            /** @description What is done to each session. */
            action: components["schemas"]["Action"];
            /** @description When it was asked. */
            asked_at: components["schemas"]["Time"];
            /** @description Who asked. */
            by: string;
            /** @description Those that are cancelled, or erased. */
            done: number;
            /** @description When it was over. */
            ended_at: components["schemas"]["Time"] | null;
            /** @description Those that could not be cancelled, or erased. */
            failed: number;
            /** @description The filter, as a query string. */
            filter: string;
            /** @description The receipt's id: of the latest 100 jobs that are over it is shown for 7 days. */
            id: string;
            /** @description Those that are left as they are, because a run of theirs does not fit the filter, or was accepted after the request. */
            left: number;
            /** @description Where the receipt is shown. */
            links: components["schemas"]["BulkLinks"];
            /** @description Sessions found so far. */
            matched: number;
            /** @description What went wrong last. */
            reason: string | null;
            /** @description Where it stands. */
            state: components["schemas"]["State"];
        };
        /** @description The number of a call (of a model, later of a tool) in its session, from 1. All attempts of a call share it. */
        Call: number;
        /** @description Somebody asked to stop. */
        CancelRequested: {
            /** @description The tenant who asked. */
            by: string;
            /** @constant */
            type: "cancel.requested";
        } & (WithRequired<components["schemas"]["Envelope"], "type"> & {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "cancel.requested";
        });
        /** @description What a model's requests and answers may have. */
        Capabilities: {
            /** @description Whether its reasoning is asked for in an encrypted form and sent back. */
            encrypted_reasoning: boolean;
            /**
             * @description The format in which it is asked.
             * @enum {string}
             */
            format: "chat" | "responses" | "messages" | "workers_ai" | "scripted";
            /** @description Tokens of an answer that are asked for where an agent says nothing; null where the server decides. */
            max_output_tokens: number | null;
            /** @description Whether instructions go in a place of their own; else they begin the first message of the user. */
            system: boolean;
            /** @description Whether a temperature is sent. */
            temperature: boolean;
        };
        /** @description The replay is over; what follows is new. */
        CaughtUp: {
            /** @description The last event of the replay. */
            seq: number;
            /** @constant */
            type: "caught_up";
        };
        /** @description What a WebSocket's reader may send, at most 4 KiB, and at most 60 of them in a minute; beside it the text `ping`. */
        ClientFrame: {
            /** @constant */
            type: "cancel";
        };
        /** @description One model of a comparison. */
        ComparedModel: {
            /** @description Attempts of its call, those that failed included. */
            attempts: number;
            /** @description Its call. */
            call: components["schemas"]["Call"];
            /** @description Why its call failed for good; null otherwise. */
            error: components["schemas"]["RunError"] | null;
            /** @description Why the answer ended. */
            finish_reason: components["schemas"]["FinishReason"] | null;
            /** @description From the request to the whole answer, in milliseconds. */
            latency_ms: number | null;
            /** @description The model's full name. */
            model: string;
            /**
             * @description Where its call stands.
             * @enum {string}
             */
            status: "running" | "waiting" | "succeeded" | "failed" | "cancelled";
            /** @description Its answer; null until then. */
            text: string | null;
            /** @description From the request to the first chunk of text, in milliseconds. */
            time_to_first_chunk_ms: number | null;
            /** @description What the answer used. */
            usage: components["schemas"]["Usage"] | null;
        };
        /** @description What a comparison may spend: its calls are made at once, so only time bounds them. */
        ComparisonBudget: {
            /** @description Milliseconds from the acceptance to the end, at most 30 days. */
            deadline_ms?: number | null;
        };
        /** @description The messages of a session, the oldest first. */
        Conversation: {
            /** @description The messages of all its runs. */
            messages: components["schemas"]["ConversationMessage"][];
            /** @description The session. */
            session: components["schemas"]["Id"];
        };
        /** @description A message and its run. */
        ConversationMessage: {
            /** @description The text, UTF-8. */
            content: string;
            /**
             * @description Who speaks.
             * @enum {string}
             */
            role: "system" | "user" | "assistant" | "tool";
            /** @description The run that it belongs to. */
            run: number;
            /** @description What the model thought before it spoke, where its server tells: no part of the answer, and sent back only where its format demands it. */
            thoughts?: string;
            /** @description The tools that an assistant's message asks for. */
            tool_calls?: components["schemas"]["ToolCall"][];
        };
        /** @description What a person decides about a tool call; null counts as absent, but for `result`. */
        Decision: {
            /** @description With `approve`: the arguments with which the call is made instead of the model's. */
            arguments?: {
                [key: string]: unknown;
            } | null;
            /**
             * @description `approve` or `deny` a call that is to be made; `settle` one of which nobody knows whether it was made, with what it gave, or `retry` it; `answer` what the server of a tool asks for, or `deny` it; `retry` one whose server can be used now.
             * @enum {string}
             */
            decision: "approve" | "deny" | "settle" | "retry" | "answer";
            /** @description The digest of the arguments that were seen: another one refuses the decision. */
            digest?: string | null;
            /** @description With `answer`: what the server of the tool is answered, which fits the request's `schema`. */
            input?: {
                [key: string]: unknown;
            } | null;
            /** @description With `deny`: why, for the model, at most 4 KiB of UTF-8. */
            reason?: string | null;
            /** @description The `seq` of the `approval.requested` that is answered; by default the last one of the call. */
            request?: number | null;
            /** @description With `settle`: what the call gave, for the model. */
            result?: unknown;
        };
        /** @description What a deployment offers to a tenant. */
        Deployment: {
            /** @description Its agents; the first one is the default. */
            agents: components["schemas"]["Agent"][];
            /** @description The model of an agent that names none. */
            default_model: string | null;
            /** @description Whether the deployment has an index of traces. */
            index: boolean;
            /** @description Whether it is an operator's, who sees every tenant. */
            operator: boolean;
            /** @description Whose token this is. */
            tenant: string;
        };
        /** @description What every event has. */
        Envelope: {
            /** @description When it was decided. */
            at: components["schemas"]["Time"];
            /** @description The run that the event belongs to. */
            run: number;
            /** @description The place of the event in its session: dense, from 1. */
            seq: number;
            /** @description What happened. */
            type: string;
        };
        /** @description What happened to a run. */
        Event: components["schemas"]["RunAccepted"] | components["schemas"]["ModelCalled"] | components["schemas"]["ModelAnswered"] | components["schemas"]["ModelFailed"] | components["schemas"]["ToolCalled"] | components["schemas"]["ToolAnswered"] | components["schemas"]["ToolFailed"] | components["schemas"]["ToolsListed"] | components["schemas"]["ToolPending"] | components["schemas"]["ApprovalRequested"] | components["schemas"]["ApprovalResolved"] | components["schemas"]["RunResumed"] | components["schemas"]["RunSteered"] | components["schemas"]["CancelRequested"] | components["schemas"]["RunEnded"] | components["schemas"]["TraceSent"] | components["schemas"]["TraceFlushed"] | components["schemas"]["TraceFailed"];
        /** @description A page of events. */
        EventPage: {
            /** @description The events after the cursor, in the order of `seq`. */
            events: components["schemas"]["Event"][];
            /** @description The `after` of the next page; null in the last one. */
            next: number | null;
        };
        /**
         * @description Why a model call failed: a word of low cardinality, fit for `error.type`.
         * @enum {string}
         */
        Fault: "connection" | "truncated" | "timeout" | "rate_limited" | "server_error" | "empty_response" | "refused" | "unauthorized" | "unknown_model" | "bad_request" | "content_refused" | "malformed" | "too_large" | "not_configured" | "interrupted" | "aborted";
        /** @description One field at fault. */
        FieldError: {
            /** @description What is wrong with it, and what would be right. */
            detail: string;
            /** @description A JSON pointer (RFC 6901) into the body, or the name of a parameter, header or variable. */
            pointer: string;
        };
        /**
         * @description Why the model stopped, in the field's common words.
         * @enum {string}
         */
        FinishReason: "stop" | "length" | "tool_calls" | "content_filter" | "other";
        /** @description A client's frame was not understood; the socket stays open. The ninth such frame within a minute closes it (1008). */
        FrameError: {
            /**
             * @description A word for programs.
             * @constant
             */
            code: "unknown_frame";
            /** @description What to send instead. */
            detail: string;
            /** @constant */
            type: "error";
        };
        /** @description What a model did for a group of runs. */
        GroupedModel: {
            /** @description Attempts that were answered. */
            answered: number;
            /** @description Attempts that ended, unless somebody cancelled them. */
            calls: number;
            /** @description How many attempts failed. */
            error_count: number;
            /** @description How many attempts failed, by their fault. */
            errors: {
                [key: string]: number;
            };
            /** @description The model's full name. */
            model: string;
            /** @description What the answers used. */
            usage: components["schemas"]["Usage"];
        };
        /** @description The Worker lives. */
        Health: {
            /**
             * @description Always `ok`.
             * @constant
             */
            status: "ok";
            /** @description The version of the deployment. */
            version: string;
            /** @description What is unsafe in the deployment; of a tenant, and only for whoever sends its token. */
            warnings?: components["schemas"]["Warning"][];
        };
        /** @description An id: opaque, at most 64 characters. */
        Id: string;
        /** @description Paths of a run and of its session. */
        Links: {
            /**
             * Format: uri-reference
             * @description Cancels the session.
             */
            cancel: string;
            /**
             * Format: uri-reference
             * @description The events of the session.
             */
            events: string;
            /**
             * Format: uri-reference
             * @description The conversation.
             */
            messages: string;
            /**
             * Format: uri-reference
             * @description The run.
             */
            self: string;
            /**
             * Format: uri-reference
             * @description The trace of the run.
             */
            trace: string;
        };
        /** @description What a long request costs, in US dollars per million tokens. */
        LongPrice: {
            /** @description The tokens of the request above which it is long. */
            above: number;
            /** @description Tokens of the request. */
            input: number;
            /** @description Tokens of the answer. */
            output: number;
        };
        /** @description What came of a person's visit to the issuer of an MCP server. */
        McpAuthorization: {
            /** @description Whether the deployment has a token now. */
            authorized: boolean;
            /** @description What the issuer says that gave none, a word: `access_denied`. */
            error: string | null;
            /** @description What it says besides. */
            error_description: string | null;
            /** @description Until when the token is good; null where the issuer does not say, or there is none. */
            expires_at: components["schemas"]["Time"] | null;
            /** @description The scopes that were granted; null where the issuer does not say. */
            scope: string | null;
            /** @description The server. */
            server: string;
        };
        /** @description A link by which a person authorises an MCP server. */
        McpLink: {
            /** @description Until when the link is good. */
            expires_at: components["schemas"]["Time"];
            /** @description The host of that page. */
            host: string;
            /** @description The scopes that are asked for; null where the issuer chooses. */
            scope: string | null;
            /** @description The server. */
            server: string;
            /** @description Where the person authorises: a page of the server's issuer. It is for whoever asked, once. */
            url: string;
        };
        /** @description What a person brings back from an issuer: `code` or `error` (which goes first), as the address that they came back to has it. */
        McpReturn: {
            /** @description The code, which is redeemed. */
            code?: string | null;
            /** @description Why there is no code, a word. */
            error?: string | null;
            /** @description The same in words. */
            error_description?: string | null;
            /** @description Who sent them. */
            iss?: string | null;
            /** @description Which link it is the answer to. */
            state: string;
        } | {
            code: string;
        } | {
            error: string;
        };
        /** @description An MCP server, and whether the tenant has authorised it. */
        McpServer: {
            /** @description Whether the deployment has a token for it, or can renew one. One that wants none needs none. */
            authorized: boolean;
            /** @description When they did. */
            authorized_at: components["schemas"]["Time"] | null;
            /** @description Who authorised it; null where nobody has. */
            by: string | null;
            /** @description Until when the token is good; null where the issuer does not say. Where it can be renewed, it is by need. */
            expires_at: components["schemas"]["Time"] | null;
            /** @description The host that it is at; null where its address has none. */
            host: string | null;
            /** @description Its name. */
            name: string;
            /** @description What is wrong with what is kept, and who must act; null where nothing is. */
            problem: string | null;
            /** @description Whether the token is renewed without a person. */
            renewable: boolean;
            /** @description The scopes that were granted. */
            scope: string | null;
        };
        /** @description An MCP server of the deployment. */
        McpServerName: {
            /** @description Its name. */
            server: string;
        };
        /** @description The MCP servers of the deployment. */
        McpServers: {
            /** @description By name. */
            servers: components["schemas"]["McpServer"][];
        };
        /** @description One message of the conversation, in the shape that models take. */
        Message: {
            /** @description The text, UTF-8. */
            content: string;
            /**
             * @description Who speaks.
             * @enum {string}
             */
            role: "system" | "user" | "assistant" | "tool";
            /** @description What the model thought before it spoke, where its server tells: no part of the answer, and sent back only where its format demands it. */
            thoughts?: string;
            /** @description The tools that an assistant's message asks for. */
            tool_calls?: components["schemas"]["ToolCall"][];
        };
        /** @description The caller's own labels. */
        Metadata: {
            [key: string]: string | number | boolean;
        };
        /** @description What is known of a model. */
        Model: {
            /** @description What its requests and answers may have; null where its provider is unknown. */
            capabilities: components["schemas"]["Capabilities"] | null;
            /** @description Whether it can be called: its provider is configured. */
            configured: boolean;
            /** @description Whether the built-in table has its window; else `CONTEXT_TOKENS` holds. */
            context_known: boolean;
            /** @description Tokens of a request at most, unless an agent has a window of its own. */
            context_tokens: number;
            /** @description What is to be set before it can be called; null where it is configured. */
            missing: string | null;
            /** @description Its full name. */
            model: string;
            /** @description Whether the deployment, an agent or `PRICES` names it. */
            named: boolean;
            /** @description US dollars per million tokens; null where it is unknown. */
            price: components["schemas"]["Price"] | null;
            /** @description What stands before the name that its server knows. */
            provider: string;
            /** @description Whether runs of the tenant called it in the last 31 days. */
            seen: boolean;
        };
        /** @description A whole answer arrived. */
        ModelAnswered: {
            /** @description The attempt that answered. */
            attempt: components["schemas"]["Attempt"];
            /** @description The call. */
            call: components["schemas"]["Call"];
            /** @description What it cost, in US dollars: that of the usage once more, where it is known. */
            cost_usd?: number;
            /** @description The rule by which the answer is final; null where it is not. */
            final: ("done" | "finish_tool") | null;
            /** @description Why it ended. */
            finish_reason: components["schemas"]["FinishReason"];
            /** @description Which answer of the run it is, from 1. */
            iteration: number;
            /** @description From the request to the whole answer, in milliseconds. */
            latency_ms: number;
            /** @description The assistant's message. */
            message: components["schemas"]["Message"];
            /** @description Why an answer that ends with the sentinel is no result of a run with `output_schema`: the model is told. Absent where it is one, or does not end so. */
            output_error?: string;
            /** @constant */
            type: "model.answered";
            /** @description What the call used. */
            usage: components["schemas"]["Usage"];
        } & (WithRequired<components["schemas"]["Envelope"], "type"> & {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "model.answered";
        });
        /** @description A model call is promised. It is made after this entry is stored, and again if it has no outcome. */
        ModelCalled: {
            /** @description The attempt, from 1. */
            attempt: components["schemas"]["Attempt"];
            /** @description The call; its attempts share it. */
            call: components["schemas"]["Call"];
            /** @description Messages of the session that the request leaves out, from its beginning, so that the rest fits the model's context window. Absent where there are none. */
            dropped_messages?: number;
            /** @description The model that the call was given up with, in the attempt with which another one takes it over. */
            fallback_from?: string;
            /** @description The answer that it is to be, from 1. */
            iteration: number;
            /** @description Whether it is the last answer, in which the model may call no tools. */
            last?: boolean;
            /** @description Messages in the request, instructions included. */
            message_count: number;
            /** @description The model's full name. */
            model: string;
            /** @description What is set aside for the attempt, where a budget of tokens or dollars asks for it. */
            reserved?: {
                /** @description What both cost, in US dollars; absent where the model's price is not known. */
                cost_usd?: number | null;
                /** @description Tokens of the request, as estimated. */
                input_tokens: number;
                /** @description Tokens that the answer may have. */
                output_tokens: number;
            };
            /** @constant */
            type: "model.called";
        } & (WithRequired<components["schemas"]["Envelope"], "type"> & {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "model.called";
        });
        /** @description New text of a call in flight, as a frame between events. It is not stored. */
        ModelDelta: {
            /** @description The attempt. */
            attempt: components["schemas"]["Attempt"];
            /** @description The call. */
            call: components["schemas"]["Call"];
            /** @description Where the text belongs, in UTF-16 code units, as JavaScript counts. A new attempt begins at 0. */
            offset: number;
            /** @description The run. */
            run: number;
            /** @description The text. */
            text: string;
            /** @constant */
            type: "model.delta";
        };
        /** @description An attempt failed. */
        ModelFailed: {
            /** @description The attempt that failed. */
            attempt: components["schemas"]["Attempt"];
            /** @description The call. */
            call: components["schemas"]["Call"];
            /** @description The fault. */
            error_type: components["schemas"]["Fault"];
            /** @description For a person. */
            message: string;
            /** @description When the same model is asked again; null where it is not. */
            retry_at: components["schemas"]["Time"] | null;
            /** @constant */
            type: "model.failed";
            /** @description What the attempt used, where its server said so all the same. */
            usage?: components["schemas"]["Usage"] | null;
        } & (WithRequired<components["schemas"]["Envelope"], "type"> & {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "model.failed";
        });
        /** @description `@cf/…` (Workers AI), `openai:…` or `responses:…` (an OpenAI-compatible server), `anthropic:…`, `<provider>:…` (a name of `PROVIDERS`) or `scripted:…` (no model). */
        ModelName: string;
        /** @description What a model did. */
        ModelStats: {
            /** @description Attempts that were answered. */
            answered: number;
            /** @description Attempts that ended, unless somebody cancelled them. */
            calls: number;
            /** @description Answers without a text, which are errors too. */
            empty: number;
            /** @description How many attempts failed. */
            error_count: number;
            /** @description How many attempts failed, by their fault. */
            errors: {
                [key: string]: number;
            };
            /** @description The buckets with calls, the oldest first. */
            hours: components["schemas"]["BucketStats"][];
            /** @description From the request to the whole answer, of calls that were answered, in milliseconds. */
            latency_ms: components["schemas"]["Percentiles"];
            /** @description The model's full name. */
            model: string;
            /** @description From the request to the first chunk of text, of answers that came in chunks, in milliseconds. */
            time_to_first_chunk_ms: components["schemas"]["Percentiles"];
            /** @description What the answers used. */
            usage: components["schemas"]["Usage"];
        };
        /** @description What the model of a call in flight thinks before it answers, as a frame between events: no part of its answer. It is not stored. */
        ModelThought: {
            /** @description The attempt. */
            attempt: components["schemas"]["Attempt"];
            /** @description The call. */
            call: components["schemas"]["Call"];
            /** @description Where the text belongs, in UTF-16 code units, as JavaScript counts. A new attempt begins at 0. */
            offset: number;
            /** @description The run. */
            run: number;
            /** @description The text. */
            text: string;
            /** @constant */
            type: "model.thought";
        };
        /** @description Models that a deployment can be asked for, or was. */
        Models: {
            /** @description Whether the index of traces told which models were called of late. */
            index: boolean;
            /** @description The models, by name. */
            models: components["schemas"]["Model"][];
            /** @description The month of the built-in table of prices and windows. */
            prices_as_of: string;
        };
        /** @description What several models are to do; null counts as absent. */
        NewComparison: {
            /** @description An agent of the deployment; its first one by default. */
            agent?: string | null;
            budget?: components["schemas"]["ComparisonBudget"] | null;
            /** @description The system message in place of the agent's, at most 64 KiB of UTF-8. */
            instructions?: string | null;
            metadata?: components["schemas"]["Metadata"] | null;
            /** @description The models, no two the same. */
            models: components["schemas"]["ModelName"][];
            /** @description How long faults of a model's server that may pass are borne, in milliseconds from the first one of a call on. */
            retry_patience_ms?: number | null;
            /** @description What to do, at most 256 KiB of UTF-8. */
            task: string;
        };
        /** @description What is to be done; null counts as absent. */
        NewRun: {
            /** @description An agent of the deployment; by default that of the session's latest run, or the deployment's first one. */
            agent?: string | null;
            budget?: components["schemas"]["Budget"] | null;
            /** @description Models that take the run over, one after the other, when the one before cannot answer; by default the agent's. */
            fallbacks?: components["schemas"]["ModelName"][] | null;
            /** @description Whether the last answer that iterations, tokens or dollars leave room for is asked for without tools; by default what the agent says. */
            final_answer?: boolean | null;
            /** @description The system message in place of the agent's, at most 64 KiB of UTF-8. */
            instructions?: string | null;
            /** @description Answers at most: as many as the agent allows by default, which is the most. */
            max_iterations?: number | null;
            metadata?: components["schemas"]["Metadata"] | null;
            /** @description The model; by default that of the session's latest run, the agent's or the deployment's. */
            model?: components["schemas"]["ModelName"] | null;
            /** @description What the result is as JSON, which is then `output` too: a JSON Schema (draft 2020-12) of `type` `object`, of at most 32 KiB and 16 schemas inside each other. Of the keywords that check a value it may have `type`, `enum`, `const`, `properties`, `required`, `additionalProperties`, `items`, `allOf`, `anyOf`, `oneOf`, the bounds of numbers and lengths, and `$ref` to a schema of the same document. By default that of the agent. */
            output_schema?: {
                [key: string]: unknown;
            } | null;
            /** @description How long faults of a model's server that may pass are borne, in milliseconds from the first one of a call on; a minute at most while another model follows. */
            retry_patience_ms?: number | null;
            /**
             * @description Whether the task joins the run under way: what is here starts one.
             * @enum {boolean|null}
             */
            steer?: false | null;
            /** @description What to do, at most 256 KiB of UTF-8. */
            task: string;
            /** @description The tools of the agent that the run is offered, by their names; all of them by default. */
            tools?: string[] | null;
        };
        /** @description What is to be done in a new session; null counts as absent. */
        NewSession: {
            /** @description An agent of the deployment; by default that of the session's latest run, or the deployment's first one. */
            agent?: string | null;
            budget?: components["schemas"]["Budget"] | null;
            /** @description Models that take the run over, one after the other, when the one before cannot answer; by default the agent's. */
            fallbacks?: components["schemas"]["ModelName"][] | null;
            /** @description Whether the last answer that iterations, tokens or dollars leave room for is asked for without tools; by default what the agent says. */
            final_answer?: boolean | null;
            /** @description The system message in place of the agent's, at most 64 KiB of UTF-8. */
            instructions?: string | null;
            /** @description Answers at most: as many as the agent allows by default, which is the most. */
            max_iterations?: number | null;
            metadata?: components["schemas"]["Metadata"] | null;
            /** @description The model; by default that of the session's latest run, the agent's or the deployment's. */
            model?: components["schemas"]["ModelName"] | null;
            /** @description What the result is as JSON, which is then `output` too: a JSON Schema (draft 2020-12) of `type` `object`, of at most 32 KiB and 16 schemas inside each other. Of the keywords that check a value it may have `type`, `enum`, `const`, `properties`, `required`, `additionalProperties`, `items`, `allOf`, `anyOf`, `oneOf`, the bounds of numbers and lengths, and `$ref` to a schema of the same document. By default that of the agent. */
            output_schema?: {
                [key: string]: unknown;
            } | null;
            /** @description How long faults of a model's server that may pass are borne, in milliseconds from the first one of a call on; a minute at most while another model follows. */
            retry_patience_ms?: number | null;
            session_budget?: components["schemas"]["SessionBudget"] | null;
            /**
             * @description Whether the task joins the run under way: what is here starts one.
             * @enum {boolean|null}
             */
            steer?: false | null;
            /** @description What to do, at most 256 KiB of UTF-8. */
            task: string;
            /** @description The tools of the agent that the run is offered, by their names; all of them by default. */
            tools?: string[] | null;
        };
        /** @description The next run of a session, or a message to the one under way. */
        NextRun: components["schemas"]["NewRun"] | components["schemas"]["Steer"];
        /** @description An `ExportTraceServiceRequest` of OTLP 1.x as JSON. */
        OtlpTrace: {
            /** @description One resource: the deployment. */
            resourceSpans: {
                [key: string]: unknown;
            }[];
        };
        /** @description Percentiles of the times of answers, in milliseconds, each right to 5 %; null when there were no answers. */
        Percentiles: {
            /** @description Half of the times are at most this. */
            p50: number | null;
            /** @description 95 of 100 times are at most this. */
            p95: number | null;
            /** @description 99 of 100 times are at most this. */
            p99: number | null;
        };
        /** @description What a model costs, in US dollars per million tokens. */
        Price: {
            /** @description Those that went into the provider's cache. */
            cache_write: number;
            /** @description Those that came from the provider's cache. */
            cached_input: number;
            /** @description Tokens of the request. */
            input: number;
            /** @description What a long request costs as a whole; null where it costs no more. */
            long: components["schemas"]["LongPrice"] | null;
            /** @description Tokens of the answer, reasoning included. */
            output: number;
        };
        /** @description An error as RFC 9457 has it. */
        Problem: {
            /** @description The kind of error, for programs. */
            code: components["schemas"]["ProblemCode"];
            /** @description What went wrong this time, and what would help. */
            detail: string;
            /** @description The fields at fault, at most 50 of them; `detail` says how many more there are. */
            errors?: components["schemas"]["FieldError"][];
            /** @description The status of the answer. */
            status: number;
            /** @description The kind of error, for people. */
            title: string;
            /**
             * Format: uri-reference
             * @description What kind of error it is.
             */
            type: string;
        };
        /**
         * @description A word for programs that says what went wrong.
         * @enum {string}
         */
        ProblemCode: "malformed_json" | "invalid_parameter" | "unauthorized" | "foreign_origin" | "scope" | "own_request" | "suspended" | "not_found" | "method_not_allowed" | "idempotency_conflict" | "session_full" | "session_budget_exhausted" | "comparison_takes_no_runs" | "nothing_to_steer" | "session_exists" | "digest_mismatch" | "approval_closed" | "link_closed" | "body_too_large" | "unsupported_media_type" | "cursor_beyond_end" | "unknown_host" | "invalid_request" | "rate_limited" | "too_many_sessions" | "too_many_jobs" | "budget_exhausted" | "queue_full" | "too_many_steers" | "too_many_watchers" | "index_not_configured" | "index_unavailable" | "internal" | "auth_not_configured" | "misconfigured" | "mcp_unauthorizable" | "session_unavailable" | "storage_unavailable";
        /** @description A run. */
        Run: {
            /** @description When it was stored. */
            accepted_at: components["schemas"]["Time"];
            /** @description The agent's name. */
            agent: string;
            /** @description The latest model that took the run over, of its fallbacks; absent where none did. */
            answered_by?: string;
            /** @description Attempts of calls, those that failed included. */
            attempts: number;
            /** @description What each model said, in the order of the request; absent in any other run than a comparison. */
            comparison?: components["schemas"]["ComparedModel"][];
            /** @description When it ended; null while it is open. */
            ended_at: components["schemas"]["Time"] | null;
            /** @description Why it failed; null otherwise. */
            error: components["schemas"]["RunError"] | null;
            /** @description Answers so far. */
            iterations: number;
            /** @description The model that was asked for; those of a comparison, joined by commas. */
            model: string;
            /** @description The result as JSON, which fits the run's `output_schema`; absent where there is none. */
            output?: {
                [key: string]: unknown;
            };
            /** @description The last answer without its last line `DONE`; null in a comparison. */
            result: string | null;
            /** @description Its number in the session. */
            run: number;
            /** @description Its session. */
            session: components["schemas"]["Id"];
            /** @description When its first call was promised. */
            started_at: components["schemas"]["Time"] | null;
            /** @description Where it stands. */
            status: components["schemas"]["RunStatus"];
            /** @description The rule that ended it; null while it is open. */
            stop_reason: components["schemas"]["StopReason"] | null;
            /** @description Calls of tools that were made, however often each. */
            tool_calls: number;
            /** @description The id of its trace. */
            trace_id: components["schemas"]["TraceId"];
            /** @description The sum over its calls. */
            usage: components["schemas"]["Usage"];
            /** @description The tool calls that wait for a person; absent where there are none. */
            waiting_for?: components["schemas"]["Waiting"][];
        };
        /** @description The run is stored. Nothing was called yet. */
        RunAccepted: {
            /** @description The agent's name. */
            agent: string;
            /** @description Who posted it: `tenant/actor`, a tenant, or `local`. */
            by?: string;
            /** @description Answers at most. */
            max_iterations: number;
            /** @description The caller's own labels: scalars. */
            metadata: components["schemas"]["Metadata"];
            /** @description The model's full name, with its provider's prefix; those of a comparison, joined by commas. */
            model: string;
            /** @description The models of a comparison, which are called side by side; absent in any other run. */
            models?: string[];
            /** @description What to do. */
            task: string;
            /** @constant */
            type: "run.accepted";
        } & (WithRequired<components["schemas"]["Envelope"], "type"> & {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "run.accepted";
        });
        /** @description The run is over; nothing changes this. */
        RunEnded: {
            /** @description What went wrong. */
            error: components["schemas"]["RunError"] | null;
            /** @description Answers committed. */
            iterations: number;
            /** @description The same as JSON that fits the run's `output_schema`; absent where there is none. */
            output?: unknown;
            /** @description The last answer without its sentinel. */
            result: string | null;
            /**
             * @description How it ended.
             * @enum {string}
             */
            status: "succeeded" | "failed" | "cancelled";
            /** @description The rule that ended it. */
            stop_reason: components["schemas"]["StopReason"];
            /** @constant */
            type: "run.ended";
            /** @description The sum over the run's calls. */
            usage: components["schemas"]["Usage"];
        } & (WithRequired<components["schemas"]["Envelope"], "type"> & {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "run.ended";
        });
        /** @description Why a run failed. */
        RunError: {
            /** @description A word for programs. */
            code: string;
            /** @description A sentence for people. */
            message: string;
        };
        /** @description The run goes on after its object went away in the middle of something. */
        RunResumed: {
            /**
             * @description What it survived.
             * @enum {string}
             */
            cause: "crash" | "eviction" | "panic";
            /** @description The calls that are made again. */
            outstanding: components["schemas"]["Call"][];
            /** @constant */
            type: "run.resumed";
        } & (WithRequired<components["schemas"]["Envelope"], "type"> & {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "run.resumed";
        });
        /**
         * @description Where a run stands.
         * @enum {string}
         */
        RunStatus: "queued" | "running" | "waiting" | "succeeded" | "failed" | "cancelled";
        /** @description Somebody said something to the run while it was under way. Its model hears it with the next call. */
        RunSteered: {
            /** @description Who: `tenant/actor`, a tenant, or `local`. */
            by: string;
            /** @description What they said. */
            message: string;
            /** @constant */
            type: "run.steered";
        } & (WithRequired<components["schemas"]["Envelope"], "type"> & {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "run.steered";
        });
        /** @description What a WebSocket's reader gets; beside it the text `pong`. */
        ServerFrame: components["schemas"]["Event"] | components["schemas"]["ModelDelta"] | components["schemas"]["ModelThought"] | components["schemas"]["ToolProgress"] | components["schemas"]["CaughtUp"] | components["schemas"]["FrameError"];
        /** @description A session and its runs, the newest first. */
        Session: {
            /** @description When its first run was stored. */
            created_at: components["schemas"]["Time"] | null;
            /** @description Its runs. */
            runs: components["schemas"]["Run"][];
            /** @description The position of the last event. */
            seq: number;
            /** @description Its id. */
            session: components["schemas"]["Id"];
            /** @description That of the run under way, or else of the last one. */
            status: components["schemas"]["RunStatus"] | null;
        };
        /** @description What all runs of a session may spend together; it is checked before each call. */
        SessionBudget: {
            /** @description US dollars of all calls. */
            cost_usd?: number | null;
            /** @description Tool calls that are made. */
            tool_calls?: number | null;
            /** @description Tokens of all calls. */
            total_tokens?: number | null;
        };
        /** @description The run, an attempt of a call of a model or a tool, a wait for a person, or what the agent's own code did. */
        Span: {
            attempt: components["schemas"]["Attempt"] | null;
            attributes: components["schemas"]["Attributes"];
            call: components["schemas"]["Call"] | null;
            duration_ms: number | null;
            ended_at: components["schemas"]["Time"] | null;
            error_message: string | null;
            error_type: string | null;
            events: components["schemas"]["SpanEvent"][];
            /** @description The system message first, then the newest messages that fit. */
            input: components["schemas"]["Message"][];
            /** @description Messages between the system message and the oldest one shown, which are too many to show. */
            input_left_out: number;
            iteration: number | null;
            /**
             * @description The kinds of spans that a run has.
             * @enum {string}
             */
            kind: "internal" | "client";
            latency_ms: number | null;
            /** @description The model's full name; null where the span is no call of one. */
            model: string | null;
            name: string;
            output: components["schemas"]["Message"] | null;
            parent_span_id: components["schemas"]["SpanId"] | null;
            span_id: components["schemas"]["SpanId"];
            started_at: components["schemas"]["Time"];
            /**
             * @description How a span ended.
             * @enum {string}
             */
            status: "unset" | "ok" | "error";
            time_to_first_chunk_ms: number | null;
            /** @description What only a call of a tool has; null where a server is asked for its tools. */
            tool?: components["schemas"]["ToolOfSpan"] | null;
            usage: components["schemas"]["Usage"] | null;
            /** @description What only a wait for a person has. */
            wait?: components["schemas"]["WaitOfSpan"] | null;
        };
        SpanEvent: {
            at: components["schemas"]["Time"];
            attributes: components["schemas"]["Attributes"];
            name: string;
        };
        /** @description The id of a span; shown as 16 lower-case hex digits. Never all zero. */
        SpanId: string;
        /**
         * @description Where a job stands.
         * @enum {string}
         */
        State: "working" | "done" | "gave_up";
        /** @description What each model did. */
        Stats: {
            /**
             * @description How long a bucket of `hours` is, in milliseconds: an hour, or a day of UTC where more than 31 days are shown, or more than 2 of chosen runs.
             * @enum {integer}
             */
            bucket_ms: 3600000 | 86400000;
            /** @description The runs by the value of the label that `group` names, or by their tenant; absent without it. */
            grouped?: components["schemas"]["StatsGroups"] | null;
            /** @description The models, the one with the most calls first. */
            models: components["schemas"]["ModelStats"][];
            /** @description When the first bucket begins. */
            since: number;
            /** @description The tools, the one with the most calls first: of runs that ended in this time. Calls of tools that a run was not offered count as `(not offered)`. */
            tools: components["schemas"]["ToolStats"][];
            /** @description When the last bucket ends. */
            until: number;
        };
        /** @description The runs with one value of the label. */
        StatsGroup: {
            /** @description What their models did, the one with the most calls first; of runs that ended. */
            models: components["schemas"]["GroupedModel"][];
            /** @description How many of them survived a crash or an eviction. */
            resumed: number;
            /** @description How many runs were accepted. */
            runs: number;
            /** @description How many of them have each status. */
            statuses: {
                [key: string]: number;
            };
            /** @description What they used, their tools included: the sum over their traces. */
            usage: components["schemas"]["Usage"];
            /** @description The label's value as text, or the tenant's name; null for runs without this label, and for the rest. */
            value: string | null;
        };
        /** @description The runs of the time by the value of a label. */
        StatsGroups: {
            /** @description What the runs are grouped by: `metadata.KEY`, or `tenant`. */
            by: string;
            /** @description The dearest first, then the one with the most runs. */
            groups: components["schemas"]["StatsGroup"][];
            /** @description All groups beyond those as one; null where there are none. */
            rest: components["schemas"]["StatsGroup"] | null;
        };
        /** @description A message to the run under way. */
        Steer: {
            /** @constant */
            steer: true;
            /** @description What its model is told, at most 256 KiB of UTF-8. */
            task: string;
        };
        /**
         * @description The rule that ended a run.
         * @enum {string}
         */
        StopReason: "done" | "finish_tool" | "max_iterations" | "budget_tokens" | "budget_cost" | "budget_tool_calls" | "deadline" | "cancelled" | "empty_response" | "model_refused" | "model_unavailable" | "tool_failed" | "tool_in_doubt" | "loop_detected" | "approval_expired" | "output_invalid" | "denied";
        /** @description Whether a tenant is suspended. */
        Suspension: {
            /** @description Who suspended it; null where it is not. */
            by: string | null;
            /** @description How many of its sessions are still to be asked to cancel their runs. */
            cancelling: number;
            /** @description Since when; null where it is not. */
            since: number | null;
            /** @description Whether it is. */
            suspended: boolean;
            /** @description The tenant. */
            tenant: string;
        };
        /** @description The tenants of a deployment. */
        Tenants: {
            /** @description Those that a token names, by name. */
            tenants: string[];
        };
        /** @description Milliseconds since the Unix epoch. */
        Time: number;
        /** @description A tool of an agent. */
        Tool: {
            /** @description What it does, as a model reads it; null where nobody said. */
            description: string | null;
            /**
             * @description What a crash may do to a call: a `read` changes nothing and an `idempotent` one does the same thing once, so they are made again; any other happens `once` at most.
             * @enum {string}
             */
            effect: "read" | "idempotent" | "once";
            /** @description Its name. */
            name: string;
            /** @description The JSON schema of its arguments, an object. */
            schema: {
                [key: string]: unknown;
            };
        };
        /** @description A tool answered, or nothing more comes of its call and `error` says why. */
        ToolAnswered: {
            /** @description The attempt that answered, from 1; absent where none was made. */
            attempt?: components["schemas"]["Attempt"];
            /** @description Who says so, where it is not the tool itself: a person who settled a call in doubt, or `system:reconcile`. */
            by?: string;
            /** @description The call. */
            call: components["schemas"]["Call"];
            /** @description Why it gave nothing. */
            error?: (string | {
                /** @description `invalid_arguments`, `unknown_tool`, `denied`, `refused`, `budget`, `repeated`, `cancelled`, `failed`, `timeout`, `in_doubt` or `too_large`. */
                code: string;
                /** @description For the model and for people. */
                message: string;
            }) | null;
            /** @description From the call to the answer, in milliseconds. */
            latency_ms: number;
            /** @description What it gave. */
            result?: unknown;
            /** @description What the result takes as JSON, in bytes. */
            result_bytes?: number;
            /** @description Where `result` has only head and tail of it: the digest of the whole as JSON, SHA-256 in lower-case hex. */
            result_digest?: string;
            /** @description The rule that refused the call. */
            rule?: string;
            /** @description The tool's name. */
            tool: string;
            /** @constant */
            type: "tool.answered";
        } & (WithRequired<components["schemas"]["Envelope"], "type"> & {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "tool.answered";
        });
        /** @description A tool that the model asks for. */
        ToolCall: {
            /** @description The arguments as the model wrote them: JSON text, not yet checked. */
            arguments: string;
            /** @description The model's own id of the call. */
            id: string;
            /** @description The tool's name. */
            name: string;
        };
        /** @description A tool call is promised. It is made after this entry is stored. */
        ToolCalled: {
            /** @description Its arguments. */
            arguments: unknown;
            /** @description The attempt, from 1. */
            attempt?: components["schemas"]["Attempt"];
            /** @description The call; its attempts share it. */
            call: components["schemas"]["Call"];
            /** @description What the tool says that the attempt costs, in US dollars. */
            cost_usd?: number;
            /** @description What a crash may do to it. */
            effect?: ("read" | "idempotent" | "once") | null;
            /** @description The answer of the run that asked for it, from 1. */
            iteration?: number;
            /** @description The rule that allowed it, or asked a person. */
            rule?: string;
            /** @description The server that performs it, by its name in the deployment; absent where that is the deployment's own code. */
            server?: string;
            /** @description The tool's name; `tools/list` where a server is asked for its tools. */
            tool: string;
            /** @constant */
            type: "tool.called";
            /** @description Why it may be made. */
            verdict?: ("allow" | "approved") | null;
        } & (WithRequired<components["schemas"]["Envelope"], "type"> & {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "tool.called";
        });
        /** @description An attempt of a tool call failed, and another one is made. */
        ToolFailed: {
            /** @description The attempt that failed. */
            attempt: components["schemas"]["Attempt"];
            /** @description The call. */
            call: components["schemas"]["Call"];
            /** @description Why. */
            error: string | {
                /** @description `invalid_arguments`, `unknown_tool`, `denied`, `refused`, `budget`, `repeated`, `cancelled`, `failed`, `timeout`, `in_doubt` or `too_large`. */
                code: string;
                /** @description For the model and for people. */
                message: string;
            };
            /** @description From the call to the failure, in milliseconds. */
            latency_ms: number;
            /** @description When it is made again. */
            retry_at: components["schemas"]["Time"] | null;
            /** @description The tool's name. */
            tool: string;
            /** @constant */
            type: "tool.failed";
        } & (WithRequired<components["schemas"]["Envelope"], "type"> & {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "tool.failed";
        });
        ToolOfSpan: {
            /** @description JSON as it was given to the tool; null where the model's own could not be read. */
            arguments: string | null;
            /** @description What a crash may do to it: `read`, `idempotent` or `once`. */
            effect: string | null;
            /** @description The tool's name. */
            name: string;
            /** @description A text, or JSON; null where there is none. */
            result: string | null;
        };
        /** @description A call goes on at its server: it is gone on with later, or when a person has answered. */
        ToolPending: {
            /** @description The attempt that said so. */
            attempt: components["schemas"]["Attempt"];
            /** @description The call. */
            call: components["schemas"]["Call"];
            /** @description From the request to the answer, in milliseconds. */
            latency_ms: number;
            /** @description When its server is asked again; absent where a person is asked. */
            retry_at?: components["schemas"]["Time"];
            /** @description The tool's name. */
            tool: string;
            /** @constant */
            type: "tool.pending";
        } & (WithRequired<components["schemas"]["Envelope"], "type"> & {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "tool.pending";
        });
        /** @description What a tool says of its progress, as a frame between events. It is not stored. */
        ToolProgress: {
            /** @description The attempt. */
            attempt: components["schemas"]["Attempt"];
            /** @description The call. */
            call: components["schemas"]["Call"];
            /** @description The run. */
            run: number;
            /** @description What the tool says, at most 2 KiB. */
            text: string;
            /** @constant */
            type: "tool.progress";
        };
        /** @description What a tool did. */
        ToolStats: {
            /** @description Attempts with a result. */
            answered: number;
            /** @description Attempts that ended, and calls that were not made, unless somebody cancelled them. */
            calls: number;
            /** @description What its attempts cost, in US dollars; null where the tool does not say. */
            cost_usd: number | null;
            /** @description How many that were. */
            error_count: number;
            /** @description How many attempts failed or were not made, by their code. */
            errors: {
                [key: string]: number;
            };
            /** @description Those of which nobody knows what they did. */
            in_doubt: number;
            /** @description From the call to its result, in milliseconds. */
            latency_ms: components["schemas"]["Percentiles"];
            /** @description The tool's name. */
            tool: string;
        };
        /** @description A server said which tools it has, or nothing more comes of asking it and `error` says why. */
        ToolsListed: {
            /** @description The attempt that answered, from 1. */
            attempt: components["schemas"]["Attempt"];
            /** @description The call. */
            call: components["schemas"]["Call"];
            /** @description Names of tools that are not what they were when the tenant saw them last. */
            changed?: string[];
            /** @description How many tools the run is offered. */
            count: number;
            /** @description The digest of all definitions: SHA-256 in lower-case hex. */
            digest?: string;
            /** @description What the server has besides, and why the run is not offered it. */
            dropped?: {
                /** @description The server's own name of it. */
                name: string;
                /** @description Why. */
                why: string;
            }[];
            /** @description Why there is no list. */
            error?: (string | {
                /** @description `invalid_arguments`, `unknown_tool`, `denied`, `refused`, `budget`, `repeated`, `cancelled`, `failed`, `timeout`, `in_doubt` or `too_large`. */
                code: string;
                /** @description For the model and for people. */
                message: string;
            }) | null;
            /** @description From the request to the list, in milliseconds. */
            latency_ms: number;
            /** @description The server's name. */
            server: string;
            /** @constant */
            type: "tools.listed";
        } & (WithRequired<components["schemas"]["Envelope"], "type"> & {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "tools.listed";
        });
        /** @description The trace of a run; one under way has no end. It stays with the session's owner, so it has the content. */
        Trace: {
            agent: string;
            /** @description The latest model that took the run over; absent where none did. */
            answered_by?: string;
            attempts: number;
            ended_at: components["schemas"]["Time"] | null;
            iterations: number;
            metadata: components["schemas"]["Metadata"];
            model: string;
            name: string;
            /** @description Crashes and evictions that the run survived. */
            resumed: number;
            /** @description The number of a run in its session, from 1 in the order of acceptance. */
            run: number;
            session: components["schemas"]["Id"];
            spans: components["schemas"]["Span"][];
            started_at: components["schemas"]["Time"];
            status: components["schemas"]["RunStatus"];
            stop_reason: components["schemas"]["StopReason"] | null;
            trace_id: components["schemas"]["TraceId"];
            usage: components["schemas"]["Usage"];
            /** @description How long it was queued, or people were asked and nothing else went on; null while it is open. */
            waiting_ms: number | null;
            /** @description How long the run did something, in milliseconds, waits for retries among it; null while it is open. */
            working_ms: number | null;
        };
        /** @description A sink did not take the run's trace. */
        TraceFailed: {
            /** @description The delivery's attempt, from 1. */
            attempt: components["schemas"]["Attempt"];
            /** @description The event that it did not take, where it gets events in place of traces. */
            event?: number;
            /** @description When it is sent again; null when the delivery is given up. */
            retry_at: components["schemas"]["Time"] | null;
            /** @description The sink's name. */
            sink: string;
            /** @description The HTTP status; null where there was no answer. */
            status: number | null;
            /** @constant */
            type: "trace.failed";
        } & (WithRequired<components["schemas"]["Envelope"], "type"> & {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "trace.failed";
        });
        /** @description A sink has the run's trace. */
        TraceFlushed: {
            /** @description The delivery's attempt, from 1. */
            attempt: components["schemas"]["Attempt"];
            /** @description The event that it has, where it gets events in place of traces. */
            event?: number;
            /** @description What it says about the spans that it rejected, or warns of. */
            message?: string;
            /** @description Spans that it rejected for good. Absent where there are none. */
            rejected?: number;
            /** @description The sink's name. */
            sink: string;
            /** @description Spans that it took. */
            spans: number;
            /** @constant */
            type: "trace.flushed";
        } & (WithRequired<components["schemas"]["Envelope"], "type"> & {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "trace.flushed";
        });
        /** @description The id of a trace; shown as 32 lower-case hex digits. Never all zero. */
        TraceId: string;
        /** @description A page of runs. */
        TracePage: {
            /** @description The `cursor` of the next page; null in the last one. */
            next: string | null;
            /** @description In the order that was asked for. */
            traces: components["schemas"]["TraceSummary"][];
        };
        /** @description A sink that takes a trace in several requests has one part of it. */
        TraceSent: {
            /** @description Which part: `trace`, or the id of a span in hex. */
            part: string;
            /** @description What the sink calls it. */
            remote_id: string;
            /** @description The sink's name. */
            sink: string;
            /** @constant */
            type: "trace.sent";
        } & (WithRequired<components["schemas"]["Envelope"], "type"> & {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "trace.sent";
        });
        /** @description A run in the index. What is unknown, or not let out, is null. */
        TraceSummary: {
            /** @description When it became durable. */
            accepted_at: components["schemas"]["Time"];
            /** @description The agent's name. */
            agent: string;
            /** @description The latest model that took the run over; absent where none did. */
            answered_by?: string;
            /** @description Attempts of its calls. */
            attempts: number;
            /** @description From acceptance to the end, in milliseconds: `working_ms` and `waiting_ms`. */
            duration_ms: number | null;
            /** @description When it ended. */
            ended_at: components["schemas"]["Time"] | null;
            /** @description Of a failed run: a word of low cardinality. */
            error_type: string | null;
            /** @description The models whose last attempt failed. */
            failed_models: string[];
            /** @description Answers committed. */
            iterations: number;
            /** @description The caller's labels. */
            metadata: components["schemas"]["Metadata"];
            /** @description The model's full name; those of a comparison, joined by commas. */
            model: string;
            /** @description What came out, as much of it as the deployment lets out. */
            result: string | null;
            /** @description Crashes and evictions that it survived. */
            resumed: number;
            /** @description The run's number in its session. */
            run: number;
            /** @description The session's id. */
            session: components["schemas"]["Id"];
            /** @description When its first call was made. */
            started_at: components["schemas"]["Time"] | null;
            /** @description Where it stands. */
            status: components["schemas"]["RunStatus"];
            /** @description The rule that ended it. */
            stop_reason: components["schemas"]["StopReason"] | null;
            /** @description What was to be done, as much of it as the deployment lets out. */
            task: string | null;
            /** @description Whose it is. */
            tenant: string;
            /** @description 32 hex digits. */
            trace_id: components["schemas"]["TraceId"];
            /** @description The sum over its calls. */
            usage: components["schemas"]["Usage"];
            /** @description What of it the run was queued, or people were asked and nothing else went on. */
            waiting_ms: number | null;
            /** @description What of it was work, waits for retries among it. */
            working_ms: number | null;
        };
        /** @description What a call used, or all calls of a run together. What is unknown is null, never 0. */
        Usage: {
            /** @description Input tokens that went into the provider's cache; absent where the provider does not say. */
            cache_write_tokens?: number;
            /** @description Input tokens that came from the provider's cache; absent where the provider does not say. */
            cached_input_tokens?: number;
            /** @description US dollars, by the price table at the time of the call. */
            cost_usd: number | null;
            /** @description Whether a part of the numbers is estimated, because a server did not count and the run has a budget; absent where none is. */
            estimated?: boolean;
            /** @description Tokens of the request. */
            input_tokens: number | null;
            /** @description Tokens of the answer, reasoning included. */
            output_tokens: number | null;
            /** @description Output tokens that were spent on reasoning; absent where the provider does not say. */
            reasoning_tokens?: number;
            /** @description Both, as the provider counts them. */
            total_tokens: number | null;
        };
        WaitOfSpan: {
            /** @description JSON as the person was shown it. */
            arguments: string | null;
            /** @description Who decided: `tenant/actor`, a tenant, or `system:…`. */
            by: string | null;
            /** @description The call that waits. */
            call: components["schemas"]["Call"];
            decision: string | null;
            /** @description JSON that they chose instead; null where they changed nothing. */
            edited: string | null;
            expires_at: components["schemas"]["Time"] | null;
            /** @description What is asked: `call`, or `in_doubt`. */
            kind: string;
            reason: string | null;
            /** @description The result that they gave the call. */
            result: string | null;
            /** @description What the call does, by the tool's own code. */
            summary: string | null;
            /** @description The tool's name. */
            tool: string;
        };
        /** @description A tool call that waits for a person. */
        Waiting: {
            /** @description The arguments with which the call is made, once it is approved. */
            arguments: unknown;
            /** @description The call. */
            call: components["schemas"]["Call"];
            /** @description Their digest: SHA-256 over their RFC 8785 form, in lower-case hex; null where nobody made one. */
            digest: string | null;
            /** @description When the time to decide is over; null where it never is. */
            expires_at: components["schemas"]["Time"] | null;
            /**
             * @description What is asked: whether the call is made, what became of it, what its server asks for, or to let that be used.
             * @enum {string}
             */
            kind: "call" | "in_doubt" | "input" | "authorize";
            /** @description The `seq` of its `approval.requested`, which names the request. */
            request: number;
            /** @description The rule that asks. */
            rule: string | null;
            /** @description The JSON Schema of the answer that the tool's server asks for; null where it asks for none. */
            schema: unknown;
            /** @description What the call does, in a sentence of the tool's own code; null where it has none. */
            summary: string | null;
            /** @description The tool's name. */
            tool: string;
            /** @description The page that a person is to visit; null where there is none. */
            url: string | null;
        };
        /** @description Something unsafe that works. */
        Warning: {
            /**
             * @description A word for programs.
             * @constant
             */
            code: "short_token";
            /** @description What is unsafe, and what to do. */
            detail: string;
        };
    };
    responses: {
        /** @description The run is stored; with the key and the body of an earlier request it is that request's run. */
        Accepted: {
            headers: {
                /** @description `true` when the run was accepted before; absent otherwise. */
                "Idempotent-Replayed"?: "true";
                /** @description The path of the run. */
                Location: string;
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Accepted"];
            };
        };
        /** @description The body is larger than 1 MiB, or that of an import larger than 95 MiB. */
        BodyTooLarge: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"] & {
                    /** @enum {unknown} */
                    code?: "body_too_large";
                    /** @constant */
                    status?: 413;
                };
            };
        };
        /** @description The job is stored; with the key of an earlier request it is that request's job. */
        BulkAccepted: {
            headers: {
                /** @description `true` when the job was taken before; absent otherwise. */
                "Idempotent-Replayed"?: "true";
                /** @description The path of the receipt. */
                Location: string;
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["BulkReceipt"];
            };
        };
        /** @description There is no index of traces, or something else is not configured or does not answer. */
        BulkUnavailable: {
            headers: {
                "Retry-After": components["headers"]["RetryLater"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"] & {
                    /** @enum {unknown} */
                    code?: "index_not_configured" | "auth_not_configured" | "misconfigured" | "session_unavailable" | "storage_unavailable";
                    /** @constant */
                    status?: 503;
                };
            };
        };
        /** @description The cursor is beyond the last event of the session. */
        CursorBeyondEnd: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"] & {
                    /** @enum {unknown} */
                    code?: "cursor_beyond_end";
                    /** @constant */
                    status?: 416;
                };
            };
        };
        /** @description The digest is of other arguments than those that are asked about, or nobody decides about the call any more. */
        DecisionConflict: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"] & {
                    /** @enum {unknown} */
                    code?: "digest_mismatch" | "approval_closed";
                    /** @constant */
                    status?: 409;
                };
            };
        };
        /** @description Something is not configured or does not answer: nothing is erased, ask again. */
        EraseUnavailable: {
            headers: {
                "Retry-After": components["headers"]["RetryLater"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"] & {
                    /** @enum {unknown} */
                    code?: "index_unavailable" | "auth_not_configured" | "misconfigured" | "session_unavailable" | "storage_unavailable";
                    /** @constant */
                    status?: 503;
                };
            };
        };
        /** @description The token does not have the scope for this; or a page of another origin tried to change something, or to open a WebSocket. */
        Forbidden: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"] & {
                    /** @enum {unknown} */
                    code?: "foreign_origin" | "scope";
                    /** @constant */
                    status?: 403;
                };
            };
        };
        /** @description The deployment is not configured, or its index of traces does not answer. */
        IndexUnavailable: {
            headers: {
                "Retry-After": components["headers"]["RetryLater"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"] & {
                    /** @enum {unknown} */
                    code?: "index_not_configured" | "index_unavailable" | "auth_not_configured" | "misconfigured";
                    /** @constant */
                    status?: 503;
                };
            };
        };
        /** @description Something broke here; the log of the deployment says what. */
        Internal: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"] & {
                    /** @enum {unknown} */
                    code?: "internal";
                    /** @constant */
                    status?: 500;
                };
            };
        };
        /** @description A parameter or header cannot be read or is not known; `errors` names each one. */
        InvalidParameter: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"] & {
                    /** @enum {unknown} */
                    code?: "invalid_parameter";
                    /** @constant */
                    status?: 400;
                };
            };
        };
        /** @description The body is JSON, and fields of it are at fault; `errors` names every one, or the line of an import. */
        InvalidRequest: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"] & {
                    /** @enum {unknown} */
                    code?: "invalid_request";
                    /** @constant */
                    status?: 422;
                };
            };
        };
        /** @description The `Idempotency-Key` was used with another request. */
        KeyConflict: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"] & {
                    /** @enum {unknown} */
                    code?: "idempotency_conflict";
                    /** @constant */
                    status?: 409;
                };
            };
        };
        /** @description Nobody waits for this `state`: it was used, it is over, somebody else opened the link, or another issuer answers. */
        LinkClosed: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"] & {
                    /** @enum {unknown} */
                    code?: "link_closed";
                    /** @constant */
                    status?: 409;
                };
            };
        };
        /** @description The body is not JSON, or a parameter or header cannot be read or is not known; `errors` names each one. */
        MalformedBody: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"] & {
                    /** @enum {unknown} */
                    code?: "malformed_json" | "invalid_parameter";
                    /** @constant */
                    status?: 400;
                };
            };
        };
        /** @description The server, or its issuer of tokens, does not do what it must; `detail` says who must act. Or something is not configured or does not answer. */
        McpUnauthorizable: {
            headers: {
                "Retry-After": components["headers"]["RetryLater"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"] & {
                    /** @enum {unknown} */
                    code?: "auth_not_configured" | "misconfigured" | "mcp_unauthorizable" | "session_unavailable" | "storage_unavailable";
                    /** @constant */
                    status?: 503;
                };
            };
        };
        /** @description The path has no such method. */
        MethodNotAllowed: {
            headers: {
                Allow: components["headers"]["Allow"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"] & {
                    /** @enum {unknown} */
                    code?: "method_not_allowed";
                    /** @constant */
                    status?: 405;
                };
            };
        };
        /** @description The token does not have the scope for this. */
        MissingScope: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"] & {
                    /** @enum {unknown} */
                    code?: "scope";
                    /** @constant */
                    status?: 403;
                };
            };
        };
        /** @description There is no such session, run, call or receipt: an id may be another tenant's, or have no possible form. */
        NotFound: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"] & {
                    /** @enum {unknown} */
                    code?: "not_found";
                    /** @constant */
                    status?: 404;
                };
            };
        };
        /** @description The token does not have the scope for this, or its owner started the run and somebody else must decide; the tenant is suspended; or a page of another origin tried to change something. */
        NotYours: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"] & {
                    /** @enum {unknown} */
                    code?: "foreign_origin" | "scope" | "own_request" | "suspended";
                    /** @constant */
                    status?: 403;
                };
            };
        };
        /** @description 100 runs wait in the session already, or 16 messages that its model has not read, or the caller is over a limit of its own. */
        QueueFull: {
            headers: {
                "Retry-After": components["headers"]["RetryAfter"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"] & {
                    /** @enum {unknown} */
                    code?: "rate_limited" | "too_many_sessions" | "budget_exhausted" | "queue_full" | "too_many_steers";
                    /** @constant */
                    status?: 429;
                };
            };
        };
        /** @description The caller made more requests than the deployment allows in a while. */
        RateLimited: {
            headers: {
                "Retry-After": components["headers"]["RetryAfter"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"] & {
                    /** @enum {unknown} */
                    code?: "rate_limited";
                    /** @constant */
                    status?: 429;
                };
            };
        };
        /** @description The `Idempotency-Key` was used with another body; or no run is under way that could be steered; or the session compares models, its budget is used up, or its conversation has reached its limit of 8 MiB: start a new session. */
        RunConflict: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"] & {
                    /** @enum {unknown} */
                    code?: "idempotency_conflict" | "session_full" | "session_budget_exhausted" | "comparison_takes_no_runs" | "nothing_to_steer";
                    /** @constant */
                    status?: 409;
                };
            };
        };
        /** @description There is a session of this name, or one is being imported. */
        SessionExists: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"] & {
                    /** @enum {unknown} */
                    code?: "session_exists";
                    /** @constant */
                    status?: 409;
                };
            };
        };
        /** @description The deployment is not configured, or the session or its storage does not answer: ask again. */
        SessionUnavailable: {
            headers: {
                "Retry-After": components["headers"]["RetryLater"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"] & {
                    /** @enum {unknown} */
                    code?: "auth_not_configured" | "misconfigured" | "session_unavailable" | "storage_unavailable";
                    /** @constant */
                    status?: 503;
                };
            };
        };
        /** @description A page of another origin asks, the token may not, or the tenant is suspended. */
        Suspended: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"] & {
                    /** @enum {unknown} */
                    code?: "foreign_origin" | "scope" | "suspended";
                    /** @constant */
                    status?: 403;
                };
            };
        };
        /** @description 8 requests of the tenant for many sessions are under way already, or the caller made too many requests. */
        TooManyJobs: {
            headers: {
                "Retry-After": components["headers"]["RetryAfter"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"] & {
                    /** @enum {unknown} */
                    code?: "rate_limited" | "too_many_jobs";
                    /** @constant */
                    status?: 429;
                };
            };
        };
        /** @description Too many requests, or as many sessions of the tenant have open runs as may have, or its limit of the UTC day (`TENANT_USD_PER_DAY`) does not leave what the run may cost. */
        TooManySessions: {
            headers: {
                "Retry-After": components["headers"]["RetryAfter"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"] & {
                    /** @enum {unknown} */
                    code?: "rate_limited" | "too_many_sessions" | "budget_exhausted";
                    /** @constant */
                    status?: 429;
                };
            };
        };
        /** @description 1000 readers watch the session already, or its readers have not taken what they were sent; or the caller made too many requests. */
        TooManyWatchers: {
            headers: {
                "Retry-After": components["headers"]["RetryAfter"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"] & {
                    /** @enum {unknown} */
                    code?: "rate_limited" | "too_many_watchers";
                    /** @constant */
                    status?: 429;
                };
            };
        };
        /** @description There is no valid token. */
        Unauthorized: {
            headers: {
                "WWW-Authenticate": components["headers"]["WwwAuthenticate"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"] & {
                    /** @enum {unknown} */
                    code?: "unauthorized";
                    /** @constant */
                    status?: 401;
                };
            };
        };
        /** @description The deployment is not configured: nobody can be let in, or variables are at fault. */
        Unavailable: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"] & {
                    /** @enum {unknown} */
                    code?: "auth_not_configured" | "misconfigured";
                    /** @constant */
                    status?: 503;
                };
            };
        };
        /** @description A server with `AUTH=off` answers to loopback's names and to those in `LOCAL_HOSTS` alone. */
        UnknownHost: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"] & {
                    /** @enum {unknown} */
                    code?: "unknown_host";
                    /** @constant */
                    status?: 421;
                };
            };
        };
        /** @description The body is not declared as `application/json`, or that of an import as `application/x-ndjson`. */
        UnsupportedMediaType: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"] & {
                    /** @enum {unknown} */
                    code?: "unsupported_media_type";
                    /** @constant */
                    status?: 415;
                };
            };
        };
    };
    parameters: {
        /** @description Makes a repeated request the same job, as long as its receipt is kept; it counts per tenant. */
        BulkKey: string;
        /** @description The number of the tool call in its session. */
        Call: number;
        /** @description Makes a repeated request the same run; it counts per tenant, or per session for a further run. */
        IdempotencyKey: string;
        /** @description The server's name. */
        McpServer: components["schemas"]["Id"];
        /** @description The receipt's id. */
        Receipt: components["schemas"]["Id"];
        /** @description The run's number in its session. */
        Run: number;
        /** @description The session's id. */
        Session: components["schemas"]["Id"];
        /** @description The tenant's name. */
        Tenant: components["schemas"]["Id"];
    };
    requestBodies: never;
    headers: {
        /** @description The methods of the path. */
        Allow: string;
        /** @description The seconds after which to ask again. */
        RetryAfter: number;
        /** @description The seconds after which to ask again, where asking again may help. */
        RetryLater: number;
        /** @description How to authenticate. */
        WwwAuthenticate: "Bearer";
    };
    pathItems: never;
}
export type Accepted = components['schemas']['Accepted'];
export type Action = components['schemas']['Action'];
export type Agent = components['schemas']['Agent'];
export type AgentLimits = components['schemas']['AgentLimits'];
export type ApprovalPage = components['schemas']['ApprovalPage'];
export type ApprovalRequested = components['schemas']['ApprovalRequested'];
export type ApprovalResolved = components['schemas']['ApprovalResolved'];
export type ApprovalSummary = components['schemas']['ApprovalSummary'];
export type Attempt = components['schemas']['Attempt'];
export type Attributes = components['schemas']['Attributes'];
export type BucketStats = components['schemas']['BucketStats'];
export type Budget = components['schemas']['Budget'];
export type BulkLinks = components['schemas']['BulkLinks'];
export type BulkReceipt = components['schemas']['BulkReceipt'];
export type Call = components['schemas']['Call'];
export type CancelRequested = components['schemas']['CancelRequested'];
export type Capabilities = components['schemas']['Capabilities'];
export type CaughtUp = components['schemas']['CaughtUp'];
export type ClientFrame = components['schemas']['ClientFrame'];
export type ComparedModel = components['schemas']['ComparedModel'];
export type ComparisonBudget = components['schemas']['ComparisonBudget'];
export type Conversation = components['schemas']['Conversation'];
export type ConversationMessage = components['schemas']['ConversationMessage'];
export type Decision = components['schemas']['Decision'];
export type Deployment = components['schemas']['Deployment'];
export type Envelope = components['schemas']['Envelope'];
export type Event = components['schemas']['Event'];
export type EventPage = components['schemas']['EventPage'];
export type Fault = components['schemas']['Fault'];
export type FieldError = components['schemas']['FieldError'];
export type FinishReason = components['schemas']['FinishReason'];
export type FrameError = components['schemas']['FrameError'];
export type GroupedModel = components['schemas']['GroupedModel'];
export type Health = components['schemas']['Health'];
export type Id = components['schemas']['Id'];
export type Links = components['schemas']['Links'];
export type LongPrice = components['schemas']['LongPrice'];
export type McpAuthorization = components['schemas']['McpAuthorization'];
export type McpLink = components['schemas']['McpLink'];
export type McpReturn = components['schemas']['McpReturn'];
export type McpServer = components['schemas']['McpServer'];
export type McpServerName = components['schemas']['McpServerName'];
export type McpServers = components['schemas']['McpServers'];
export type Message = components['schemas']['Message'];
export type Metadata = components['schemas']['Metadata'];
export type Model = components['schemas']['Model'];
export type ModelAnswered = components['schemas']['ModelAnswered'];
export type ModelCalled = components['schemas']['ModelCalled'];
export type ModelDelta = components['schemas']['ModelDelta'];
export type ModelFailed = components['schemas']['ModelFailed'];
export type ModelName = components['schemas']['ModelName'];
export type ModelStats = components['schemas']['ModelStats'];
export type ModelThought = components['schemas']['ModelThought'];
export type Models = components['schemas']['Models'];
export type NewComparison = components['schemas']['NewComparison'];
export type NewRun = components['schemas']['NewRun'];
export type NewSession = components['schemas']['NewSession'];
export type NextRun = components['schemas']['NextRun'];
export type OtlpTrace = components['schemas']['OtlpTrace'];
export type Percentiles = components['schemas']['Percentiles'];
export type Price = components['schemas']['Price'];
export type Problem = components['schemas']['Problem'];
export type ProblemCode = components['schemas']['ProblemCode'];
export type Run = components['schemas']['Run'];
export type RunAccepted = components['schemas']['RunAccepted'];
export type RunEnded = components['schemas']['RunEnded'];
export type RunError = components['schemas']['RunError'];
export type RunResumed = components['schemas']['RunResumed'];
export type RunStatus = components['schemas']['RunStatus'];
export type RunSteered = components['schemas']['RunSteered'];
export type ServerFrame = components['schemas']['ServerFrame'];
export type Session = components['schemas']['Session'];
export type SessionBudget = components['schemas']['SessionBudget'];
export type Span = components['schemas']['Span'];
export type SpanEvent = components['schemas']['SpanEvent'];
export type SpanId = components['schemas']['SpanId'];
export type State = components['schemas']['State'];
export type Stats = components['schemas']['Stats'];
export type StatsGroup = components['schemas']['StatsGroup'];
export type StatsGroups = components['schemas']['StatsGroups'];
export type Steer = components['schemas']['Steer'];
export type StopReason = components['schemas']['StopReason'];
export type Suspension = components['schemas']['Suspension'];
export type Tenants = components['schemas']['Tenants'];
export type Time = components['schemas']['Time'];
export type Tool = components['schemas']['Tool'];
export type ToolAnswered = components['schemas']['ToolAnswered'];
export type ToolCall = components['schemas']['ToolCall'];
export type ToolCalled = components['schemas']['ToolCalled'];
export type ToolFailed = components['schemas']['ToolFailed'];
export type ToolOfSpan = components['schemas']['ToolOfSpan'];
export type ToolPending = components['schemas']['ToolPending'];
export type ToolProgress = components['schemas']['ToolProgress'];
export type ToolStats = components['schemas']['ToolStats'];
export type ToolsListed = components['schemas']['ToolsListed'];
export type Trace = components['schemas']['Trace'];
export type TraceFailed = components['schemas']['TraceFailed'];
export type TraceFlushed = components['schemas']['TraceFlushed'];
export type TraceId = components['schemas']['TraceId'];
export type TracePage = components['schemas']['TracePage'];
export type TraceSent = components['schemas']['TraceSent'];
export type TraceSummary = components['schemas']['TraceSummary'];
export type Usage = components['schemas']['Usage'];
export type WaitOfSpan = components['schemas']['WaitOfSpan'];
export type Waiting = components['schemas']['Waiting'];
export type Warning = components['schemas']['Warning'];
export type ResponseAccepted = components['responses']['Accepted'];
export type ResponseBodyTooLarge = components['responses']['BodyTooLarge'];
export type ResponseBulkAccepted = components['responses']['BulkAccepted'];
export type ResponseBulkUnavailable = components['responses']['BulkUnavailable'];
export type ResponseCursorBeyondEnd = components['responses']['CursorBeyondEnd'];
export type ResponseDecisionConflict = components['responses']['DecisionConflict'];
export type ResponseEraseUnavailable = components['responses']['EraseUnavailable'];
export type ResponseForbidden = components['responses']['Forbidden'];
export type ResponseIndexUnavailable = components['responses']['IndexUnavailable'];
export type ResponseInternal = components['responses']['Internal'];
export type ResponseInvalidParameter = components['responses']['InvalidParameter'];
export type ResponseInvalidRequest = components['responses']['InvalidRequest'];
export type ResponseKeyConflict = components['responses']['KeyConflict'];
export type ResponseLinkClosed = components['responses']['LinkClosed'];
export type ResponseMalformedBody = components['responses']['MalformedBody'];
export type ResponseMcpUnauthorizable = components['responses']['McpUnauthorizable'];
export type ResponseMethodNotAllowed = components['responses']['MethodNotAllowed'];
export type ResponseMissingScope = components['responses']['MissingScope'];
export type ResponseNotFound = components['responses']['NotFound'];
export type ResponseNotYours = components['responses']['NotYours'];
export type ResponseQueueFull = components['responses']['QueueFull'];
export type ResponseRateLimited = components['responses']['RateLimited'];
export type ResponseRunConflict = components['responses']['RunConflict'];
export type ResponseSessionExists = components['responses']['SessionExists'];
export type ResponseSessionUnavailable = components['responses']['SessionUnavailable'];
export type ResponseSuspended = components['responses']['Suspended'];
export type ResponseTooManyJobs = components['responses']['TooManyJobs'];
export type ResponseTooManySessions = components['responses']['TooManySessions'];
export type ResponseTooManyWatchers = components['responses']['TooManyWatchers'];
export type ResponseUnauthorized = components['responses']['Unauthorized'];
export type ResponseUnavailable = components['responses']['Unavailable'];
export type ResponseUnknownHost = components['responses']['UnknownHost'];
export type ResponseUnsupportedMediaType = components['responses']['UnsupportedMediaType'];
export type ParameterBulkKey = components['parameters']['BulkKey'];
export type ParameterCall = components['parameters']['Call'];
export type ParameterIdempotencyKey = components['parameters']['IdempotencyKey'];
export type ParameterMcpServer = components['parameters']['McpServer'];
export type ParameterReceipt = components['parameters']['Receipt'];
export type ParameterRun = components['parameters']['Run'];
export type ParameterSession = components['parameters']['Session'];
export type ParameterTenant = components['parameters']['Tenant'];
export type HeaderAllow = components['headers']['Allow'];
export type HeaderRetryAfter = components['headers']['RetryAfter'];
export type HeaderRetryLater = components['headers']['RetryLater'];
export type HeaderWwwAuthenticate = components['headers']['WwwAuthenticate'];
export type $defs = Record<string, never>;
export interface operations {
    dashboard: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page; it asks for the token itself. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/html": string;
                };
            };
        };
    };
    health: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It lives. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Health"];
                };
            };
            400: components["responses"]["InvalidParameter"];
            421: components["responses"]["UnknownHost"];
        };
    };
    clientDocument: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The metadata of an OAuth client. 404 where `PUBLIC_URL` is not set. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                };
            };
            400: components["responses"]["InvalidParameter"];
            404: components["responses"]["NotFound"];
            421: components["responses"]["UnknownHost"];
            503: components["responses"]["Unavailable"];
        };
    };
    describe: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description An OpenAPI document. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                };
            };
        };
    };
    ready: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It can serve. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Health"];
                };
            };
            400: components["responses"]["InvalidParameter"];
            421: components["responses"]["UnknownHost"];
            503: components["responses"]["Unavailable"];
        };
    };
    listAgents: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The agents of the deployment. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Deployment"];
                };
            };
            400: components["responses"]["InvalidParameter"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["MissingScope"];
            405: components["responses"]["MethodNotAllowed"];
            421: components["responses"]["UnknownHost"];
            429: components["responses"]["RateLimited"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
        };
    };
    listApprovals: {
        parameters: {
            query?: {
                /** @description Only open ones are listed. */
                status?: "open";
                /** @description An agent's name. */
                agent?: string;
                /** @description A tool's name. */
                tool?: string;
                /** @description How many calls a page has at most. */
                limit?: number;
                /** @description The `next` of the page before. */
                cursor?: string;
                /** @description Whose: for a token with the scope `operator`, whose lists are of all tenants without it. Any other token names its own, or none. */
                tenant?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of calls that wait. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ApprovalPage"];
                };
            };
            400: components["responses"]["InvalidParameter"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["MissingScope"];
            405: components["responses"]["MethodNotAllowed"];
            421: components["responses"]["UnknownHost"];
            429: components["responses"]["RateLimited"];
            500: components["responses"]["Internal"];
            503: components["responses"]["IndexUnavailable"];
        };
    };
    showReceipt: {
        parameters: {
            query?: {
                /** @description Whose: for a token with the scope `operator`, whose lists are of all tenants without it. Any other token names its own, or none. */
                tenant?: string;
            };
            header?: never;
            path: {
                /** @description The receipt's id. */
                receipt: components["parameters"]["Receipt"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The receipt. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["BulkReceipt"];
                };
            };
            400: components["responses"]["InvalidParameter"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["MissingScope"];
            404: components["responses"]["NotFound"];
            405: components["responses"]["MethodNotAllowed"];
            421: components["responses"]["UnknownHost"];
            429: components["responses"]["RateLimited"];
            500: components["responses"]["Internal"];
            503: components["responses"]["SessionUnavailable"];
        };
    };
    cancelMany: {
        parameters: {
            query?: {
                /** @description One status, or several with commas between them. */
                status?: string;
                /** @description A model's full name; a comparison has each of its models, a run the one asked for and the latest that took it over. */
                model?: string;
                /** @description An agent's name. */
                agent?: string;
                /** @description A session's id. */
                session?: string;
                /** @description A text in the task or the result, where ASCII letters match in either case; or the id of a session or a trace; or a run's address. */
                q?: string;
                /** @description What a failed run failed of. */
                error_type?: string;
                /** @description Whether the run survived a crash or an eviction. */
                resumed?: boolean;
                /** @description Whether the last attempt of one of its models failed. */
                model_failed?: boolean;
                /** @description It ended, and took at least so long. */
                min_duration_ms?: number;
                /** @description The same without the queue and the time that people took. */
                min_working_ms?: number;
                /** @description It used at least so many tokens. */
                min_total_tokens?: number;
                /** @description It cost at least so many US dollars. */
                min_cost_usd?: number;
                /** @description A label's value, where KEY is the label's key; at most 8 labels. */
                "metadata.KEY"?: string;
                /** @description Whose: for a token with the scope `operator`, whose lists are of all tenants without it. Any other token names its own, or none. */
                tenant?: string;
                /** @description Runs that were accepted then or later. */
                since?: components["schemas"]["Time"] | string;
                /** @description Runs that were accepted earlier. */
                until?: components["schemas"]["Time"] | string;
            };
            header?: {
                /** @description Makes a repeated request the same job, as long as its receipt is kept; it counts per tenant. */
                "Idempotency-Key"?: components["parameters"]["BulkKey"];
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            202: components["responses"]["BulkAccepted"];
            400: components["responses"]["InvalidParameter"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["Forbidden"];
            405: components["responses"]["MethodNotAllowed"];
            409: components["responses"]["KeyConflict"];
            421: components["responses"]["UnknownHost"];
            429: components["responses"]["TooManyJobs"];
            500: components["responses"]["Internal"];
            503: components["responses"]["BulkUnavailable"];
        };
    };
    compare: {
        parameters: {
            query?: never;
            header?: {
                /** @description Makes a repeated request the same run; it counts per tenant, or per session for a further run. */
                "Idempotency-Key"?: components["parameters"]["IdempotencyKey"];
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NewComparison"];
            };
        };
        responses: {
            202: components["responses"]["Accepted"];
            400: components["responses"]["MalformedBody"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["Suspended"];
            405: components["responses"]["MethodNotAllowed"];
            409: components["responses"]["KeyConflict"];
            413: components["responses"]["BodyTooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            421: components["responses"]["UnknownHost"];
            422: components["responses"]["InvalidRequest"];
            429: components["responses"]["TooManySessions"];
            500: components["responses"]["Internal"];
            503: components["responses"]["SessionUnavailable"];
        };
    };
    authorizeMcp: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["McpReturn"];
            };
        };
        responses: {
            /** @description What came of it. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["McpAuthorization"];
                };
            };
            400: components["responses"]["MalformedBody"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["Suspended"];
            405: components["responses"]["MethodNotAllowed"];
            409: components["responses"]["LinkClosed"];
            413: components["responses"]["BodyTooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            421: components["responses"]["UnknownHost"];
            422: components["responses"]["InvalidRequest"];
            429: components["responses"]["RateLimited"];
            500: components["responses"]["Internal"];
            503: components["responses"]["McpUnauthorizable"];
        };
    };
    openMcpLink: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["McpServerName"];
            };
        };
        responses: {
            /** @description The link. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["McpLink"];
                };
            };
            400: components["responses"]["MalformedBody"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["Suspended"];
            405: components["responses"]["MethodNotAllowed"];
            413: components["responses"]["BodyTooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            421: components["responses"]["UnknownHost"];
            422: components["responses"]["InvalidRequest"];
            429: components["responses"]["RateLimited"];
            500: components["responses"]["Internal"];
            503: components["responses"]["McpUnauthorizable"];
        };
    };
    listMcpServers: {
        parameters: {
            query?: {
                /** @description Whose: for a token with the scope `operator`, whose lists are of all tenants without it. Any other token names its own, or none. */
                tenant?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The servers. No token is among what is said of them. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["McpServers"];
                };
            };
            400: components["responses"]["InvalidParameter"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["MissingScope"];
            405: components["responses"]["MethodNotAllowed"];
            421: components["responses"]["UnknownHost"];
            429: components["responses"]["RateLimited"];
            500: components["responses"]["Internal"];
            503: components["responses"]["SessionUnavailable"];
        };
    };
    forgetMcpAuthorization: {
        parameters: {
            query?: {
                /** @description Whose: for a token with the scope `operator`, whose lists are of all tenants without it. Any other token names its own, or none. */
                tenant?: string;
            };
            header?: never;
            path: {
                /** @description The server's name. */
                server: components["parameters"]["McpServer"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The deployment has no token of the server. */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["InvalidParameter"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            405: components["responses"]["MethodNotAllowed"];
            421: components["responses"]["UnknownHost"];
            429: components["responses"]["RateLimited"];
            500: components["responses"]["Internal"];
            503: components["responses"]["SessionUnavailable"];
        };
    };
    listModels: {
        parameters: {
            query?: {
                /** @description Whose: for a token with the scope `operator`, whose lists are of all tenants without it. Any other token names its own, or none. */
                tenant?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The models, by name. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Models"];
                };
            };
            400: components["responses"]["InvalidParameter"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["MissingScope"];
            405: components["responses"]["MethodNotAllowed"];
            421: components["responses"]["UnknownHost"];
            429: components["responses"]["RateLimited"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
        };
    };
    startSession: {
        parameters: {
            query?: never;
            header?: {
                /** @description Makes a repeated request the same run; it counts per tenant, or per session for a further run. */
                "Idempotency-Key"?: components["parameters"]["IdempotencyKey"];
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NewSession"];
            };
        };
        responses: {
            202: components["responses"]["Accepted"];
            400: components["responses"]["MalformedBody"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["Suspended"];
            405: components["responses"]["MethodNotAllowed"];
            409: components["responses"]["KeyConflict"];
            413: components["responses"]["BodyTooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            421: components["responses"]["UnknownHost"];
            422: components["responses"]["InvalidRequest"];
            429: components["responses"]["TooManySessions"];
            500: components["responses"]["Internal"];
            503: components["responses"]["SessionUnavailable"];
        };
    };
    eraseMany: {
        parameters: {
            query?: {
                /** @description One status, or several with commas between them. */
                status?: string;
                /** @description A model's full name; a comparison has each of its models, a run the one asked for and the latest that took it over. */
                model?: string;
                /** @description An agent's name. */
                agent?: string;
                /** @description A session's id. */
                session?: string;
                /** @description A text in the task or the result, where ASCII letters match in either case; or the id of a session or a trace; or a run's address. */
                q?: string;
                /** @description What a failed run failed of. */
                error_type?: string;
                /** @description Whether the run survived a crash or an eviction. */
                resumed?: boolean;
                /** @description Whether the last attempt of one of its models failed. */
                model_failed?: boolean;
                /** @description It ended, and took at least so long. */
                min_duration_ms?: number;
                /** @description The same without the queue and the time that people took. */
                min_working_ms?: number;
                /** @description It used at least so many tokens. */
                min_total_tokens?: number;
                /** @description It cost at least so many US dollars. */
                min_cost_usd?: number;
                /** @description A label's value, where KEY is the label's key; at most 8 labels. */
                "metadata.KEY"?: string;
                /** @description Whose: for a token with the scope `operator`, whose lists are of all tenants without it. Any other token names its own, or none. */
                tenant?: string;
                /** @description Runs that were accepted then or later. */
                since?: components["schemas"]["Time"] | string;
                /** @description Runs that were accepted earlier. */
                until?: components["schemas"]["Time"] | string;
            };
            header?: {
                /** @description Makes a repeated request the same job, as long as its receipt is kept; it counts per tenant. */
                "Idempotency-Key"?: components["parameters"]["BulkKey"];
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            202: components["responses"]["BulkAccepted"];
            400: components["responses"]["InvalidParameter"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["Forbidden"];
            405: components["responses"]["MethodNotAllowed"];
            409: components["responses"]["KeyConflict"];
            421: components["responses"]["UnknownHost"];
            429: components["responses"]["TooManyJobs"];
            500: components["responses"]["Internal"];
            503: components["responses"]["BulkUnavailable"];
        };
    };
    importSession: {
        parameters: {
            query: {
                /** @description The id that the session gets. */
                session: components["schemas"]["Id"];
                /** @description Whose: for a token with the scope `operator`, whose lists are of all tenants without it. Any other token names its own, or none. */
                tenant?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/x-ndjson": string;
            };
        };
        responses: {
            /** @description The session. */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Session"];
                };
            };
            400: components["responses"]["MalformedBody"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["Suspended"];
            405: components["responses"]["MethodNotAllowed"];
            409: components["responses"]["SessionExists"];
            413: components["responses"]["BodyTooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            421: components["responses"]["UnknownHost"];
            422: components["responses"]["InvalidRequest"];
            429: components["responses"]["RateLimited"];
            500: components["responses"]["Internal"];
            503: components["responses"]["SessionUnavailable"];
        };
    };
    showSession: {
        parameters: {
            query?: {
                /** @description Whose: for a token with the scope `operator`, whose lists are of all tenants without it. Any other token names its own, or none. */
                tenant?: string;
            };
            header?: never;
            path: {
                /** @description The session's id. */
                session: components["parameters"]["Session"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The session. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Session"];
                };
            };
            400: components["responses"]["InvalidParameter"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["MissingScope"];
            404: components["responses"]["NotFound"];
            405: components["responses"]["MethodNotAllowed"];
            421: components["responses"]["UnknownHost"];
            429: components["responses"]["TooManyWatchers"];
            500: components["responses"]["Internal"];
            503: components["responses"]["SessionUnavailable"];
        };
    };
    deleteSession: {
        parameters: {
            query?: {
                /** @description Whose: for a token with the scope `operator`, whose lists are of all tenants without it. Any other token names its own, or none. */
                tenant?: string;
            };
            header?: never;
            path: {
                /** @description The session's id. */
                session: components["parameters"]["Session"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The session is erased. */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["InvalidParameter"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            405: components["responses"]["MethodNotAllowed"];
            421: components["responses"]["UnknownHost"];
            429: components["responses"]["RateLimited"];
            500: components["responses"]["Internal"];
            503: components["responses"]["EraseUnavailable"];
        };
    };
    resolveApproval: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The session's id. */
                session: components["parameters"]["Session"];
                /** @description The number of the tool call in its session. */
                call: components["parameters"]["Call"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Decision"];
            };
        };
        responses: {
            /** @description The event that closed the request. */
            200: {
                headers: {
                    /** @description `true` when somebody had decided before; absent otherwise. */
                    "Decision-Replayed"?: "true";
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ApprovalResolved"];
                };
            };
            400: components["responses"]["MalformedBody"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["NotYours"];
            404: components["responses"]["NotFound"];
            405: components["responses"]["MethodNotAllowed"];
            409: components["responses"]["DecisionConflict"];
            413: components["responses"]["BodyTooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            421: components["responses"]["UnknownHost"];
            422: components["responses"]["InvalidRequest"];
            429: components["responses"]["RateLimited"];
            500: components["responses"]["Internal"];
            503: components["responses"]["SessionUnavailable"];
        };
    };
    showResult: {
        parameters: {
            query?: {
                /** @description Whose: for a token with the scope `operator`, whose lists are of all tenants without it. Any other token names its own, or none. */
                tenant?: string;
            };
            header?: never;
            path: {
                /** @description The session's id. */
                session: components["parameters"]["Session"];
                /** @description The number of the tool call in its session. */
                call: components["parameters"]["Call"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The result, whatever JSON it is. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": unknown;
                };
            };
            400: components["responses"]["InvalidParameter"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["MissingScope"];
            404: components["responses"]["NotFound"];
            405: components["responses"]["MethodNotAllowed"];
            421: components["responses"]["UnknownHost"];
            429: components["responses"]["RateLimited"];
            500: components["responses"]["Internal"];
            503: components["responses"]["SessionUnavailable"];
        };
    };
    cancelSession: {
        parameters: {
            query?: {
                /** @description Whose: for a token with the scope `operator`, whose lists are of all tenants without it. Any other token names its own, or none. */
                tenant?: string;
            };
            header?: never;
            path: {
                /** @description The session's id. */
                session: components["parameters"]["Session"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The session after the cancel. */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Session"];
                };
            };
            400: components["responses"]["InvalidParameter"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            405: components["responses"]["MethodNotAllowed"];
            421: components["responses"]["UnknownHost"];
            429: components["responses"]["RateLimited"];
            500: components["responses"]["Internal"];
            503: components["responses"]["SessionUnavailable"];
        };
    };
    listEvents: {
        parameters: {
            query?: {
                /** @description Only events after this `seq`. */
                after?: number;
                /** @description How many events a page has at most. */
                limit?: number;
                /** @description Only the events of this run; server-sent events then end with it. */
                run?: number;
                /** @description With `true` server-sent events have `model.delta`, `model.thought` and `tool.progress` too; a WebSocket always has them. */
                deltas?: "true" | "false";
                /** @description The same for readers that cannot send the header, which is stronger than this. */
                lastEventId?: string;
                /** @description Whose: for a token with the scope `operator`, whose lists are of all tenants without it. Any other token names its own, or none. */
                tenant?: string;
            };
            header?: {
                /** @description Where a reader of server-sent events stopped; unless it is empty, it is stronger than `after`. */
                "Last-Event-ID"?: string;
            };
            path: {
                /** @description The session's id. */
                session: components["parameters"]["Session"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description With `Upgrade: websocket`, JSON texts as frames; the text `ping` is answered by `pong`. */
            101: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description A page of events, or with `Accept: text/event-stream` the events as they happen. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["EventPage"];
                    "text/event-stream": string;
                };
            };
            /** @description Server-sent events of one run, and the reader has its end: there is no more, and no reason to come back. */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["InvalidParameter"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            405: components["responses"]["MethodNotAllowed"];
            416: components["responses"]["CursorBeyondEnd"];
            421: components["responses"]["UnknownHost"];
            429: components["responses"]["TooManyWatchers"];
            500: components["responses"]["Internal"];
            503: components["responses"]["SessionUnavailable"];
        };
    };
    exportSession: {
        parameters: {
            query?: {
                /** @description Whose: for a token with the scope `operator`, whose lists are of all tenants without it. Any other token names its own, or none. */
                tenant?: string;
            };
            header?: never;
            path: {
                /** @description The session's id. */
                session: components["parameters"]["Session"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The journal. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/x-ndjson": unknown;
                };
            };
            400: components["responses"]["InvalidParameter"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["MissingScope"];
            404: components["responses"]["NotFound"];
            405: components["responses"]["MethodNotAllowed"];
            421: components["responses"]["UnknownHost"];
            429: components["responses"]["TooManyWatchers"];
            500: components["responses"]["Internal"];
            503: components["responses"]["SessionUnavailable"];
        };
    };
    listMessages: {
        parameters: {
            query?: {
                /** @description Whose: for a token with the scope `operator`, whose lists are of all tenants without it. Any other token names its own, or none. */
                tenant?: string;
            };
            header?: never;
            path: {
                /** @description The session's id. */
                session: components["parameters"]["Session"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The conversation. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Conversation"];
                };
            };
            400: components["responses"]["InvalidParameter"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["MissingScope"];
            404: components["responses"]["NotFound"];
            405: components["responses"]["MethodNotAllowed"];
            421: components["responses"]["UnknownHost"];
            429: components["responses"]["TooManyWatchers"];
            500: components["responses"]["Internal"];
            503: components["responses"]["SessionUnavailable"];
        };
    };
    startRun: {
        parameters: {
            query?: never;
            header?: {
                /** @description Makes a repeated request the same run; it counts per tenant, or per session for a further run. */
                "Idempotency-Key"?: components["parameters"]["IdempotencyKey"];
            };
            path: {
                /** @description The session's id. */
                session: components["parameters"]["Session"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NextRun"];
            };
        };
        responses: {
            202: components["responses"]["Accepted"];
            400: components["responses"]["MalformedBody"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["Suspended"];
            404: components["responses"]["NotFound"];
            405: components["responses"]["MethodNotAllowed"];
            409: components["responses"]["RunConflict"];
            413: components["responses"]["BodyTooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            421: components["responses"]["UnknownHost"];
            422: components["responses"]["InvalidRequest"];
            429: components["responses"]["QueueFull"];
            500: components["responses"]["Internal"];
            503: components["responses"]["SessionUnavailable"];
        };
    };
    showRun: {
        parameters: {
            query?: {
                /** @description How many seconds the answer may wait for the end of the run. */
                wait?: number;
                /** @description Whose: for a token with the scope `operator`, whose lists are of all tenants without it. Any other token names its own, or none. */
                tenant?: string;
            };
            header?: never;
            path: {
                /** @description The session's id. */
                session: components["parameters"]["Session"];
                /** @description The run's number in its session. */
                run: components["parameters"]["Run"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The run as it is now, or as it is when the wait is over. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Run"];
                };
            };
            400: components["responses"]["InvalidParameter"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["MissingScope"];
            404: components["responses"]["NotFound"];
            405: components["responses"]["MethodNotAllowed"];
            421: components["responses"]["UnknownHost"];
            429: components["responses"]["TooManyWatchers"];
            500: components["responses"]["Internal"];
            503: components["responses"]["SessionUnavailable"];
        };
    };
    showTrace: {
        parameters: {
            query?: {
                /** @description `otlp` gives the finished spans as OTLP/JSON. */
                format?: "json" | "otlp";
                /** @description Whose: for a token with the scope `operator`, whose lists are of all tenants without it. Any other token names its own, or none. */
                tenant?: string;
            };
            header?: never;
            path: {
                /** @description The session's id. */
                session: components["parameters"]["Session"];
                /** @description The run's number in its session. */
                run: components["parameters"]["Run"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The trace as the dashboard reads it, or what a collector gets. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Trace"] | components["schemas"]["OtlpTrace"];
                };
            };
            400: components["responses"]["InvalidParameter"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["MissingScope"];
            404: components["responses"]["NotFound"];
            405: components["responses"]["MethodNotAllowed"];
            421: components["responses"]["UnknownHost"];
            429: components["responses"]["TooManyWatchers"];
            500: components["responses"]["Internal"];
            503: components["responses"]["SessionUnavailable"];
        };
    };
    showStats: {
        parameters: {
            query?: {
                /** @description The beginning, rounded down to the bucket; by default 7 days before `until`. */
                since?: components["schemas"]["Time"] | string;
                /** @description The end, rounded up to the bucket, at most 92 days after `since`; by default now. */
                until?: components["schemas"]["Time"] | string;
                /** @description `metadata.KEY`: the runs by the value of this label; `tenant`: by their tenant. With a filter below, the figures are those of the runs that were accepted in the time. */
                group?: string;
                /** @description One status, or several with commas between them. */
                status?: string;
                /** @description A model's full name; a comparison has each of its models, a run the one asked for and the latest that took it over. */
                model?: string;
                /** @description An agent's name. */
                agent?: string;
                /** @description A session's id. */
                session?: string;
                /** @description A text in the task or the result, where ASCII letters match in either case; or the id of a session or a trace; or a run's address. */
                q?: string;
                /** @description What a failed run failed of. */
                error_type?: string;
                /** @description Whether the run survived a crash or an eviction. */
                resumed?: boolean;
                /** @description Whether the last attempt of one of its models failed. */
                model_failed?: boolean;
                /** @description It ended, and took at least so long. */
                min_duration_ms?: number;
                /** @description The same without the queue and the time that people took. */
                min_working_ms?: number;
                /** @description It used at least so many tokens. */
                min_total_tokens?: number;
                /** @description It cost at least so many US dollars. */
                min_cost_usd?: number;
                /** @description A label's value, where KEY is the label's key; at most 8 labels. */
                "metadata.KEY"?: string;
                /** @description Whose: for a token with the scope `operator`, whose lists are of all tenants without it. Any other token names its own, or none. */
                tenant?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The statistics. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Stats"];
                };
            };
            400: components["responses"]["InvalidParameter"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["MissingScope"];
            405: components["responses"]["MethodNotAllowed"];
            421: components["responses"]["UnknownHost"];
            429: components["responses"]["RateLimited"];
            500: components["responses"]["Internal"];
            503: components["responses"]["IndexUnavailable"];
        };
    };
    listTenants: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The tenants, by name. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Tenants"];
                };
            };
            400: components["responses"]["InvalidParameter"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["MissingScope"];
            405: components["responses"]["MethodNotAllowed"];
            421: components["responses"]["UnknownHost"];
            429: components["responses"]["RateLimited"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
        };
    };
    showSuspension: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The tenant's name. */
                tenant: components["parameters"]["Tenant"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Whether it is. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Suspension"];
                };
            };
            400: components["responses"]["InvalidParameter"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["MissingScope"];
            404: components["responses"]["NotFound"];
            405: components["responses"]["MethodNotAllowed"];
            421: components["responses"]["UnknownHost"];
            429: components["responses"]["RateLimited"];
            500: components["responses"]["Internal"];
            503: components["responses"]["SessionUnavailable"];
        };
    };
    suspendTenant: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The tenant's name. */
                tenant: components["parameters"]["Tenant"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The tenant is suspended. */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["InvalidParameter"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            405: components["responses"]["MethodNotAllowed"];
            421: components["responses"]["UnknownHost"];
            429: components["responses"]["RateLimited"];
            500: components["responses"]["Internal"];
            503: components["responses"]["SessionUnavailable"];
        };
    };
    letTenantIn: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The tenant's name. */
                tenant: components["parameters"]["Tenant"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The tenant is not suspended. */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["InvalidParameter"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            405: components["responses"]["MethodNotAllowed"];
            421: components["responses"]["UnknownHost"];
            429: components["responses"]["RateLimited"];
            500: components["responses"]["Internal"];
            503: components["responses"]["SessionUnavailable"];
        };
    };
    listTraces: {
        parameters: {
            query?: {
                /** @description One status, or several with commas between them. */
                status?: string;
                /** @description A model's full name; a comparison has each of its models, a run the one asked for and the latest that took it over. */
                model?: string;
                /** @description An agent's name. */
                agent?: string;
                /** @description A session's id. */
                session?: string;
                /** @description A text in the task or the result, where ASCII letters match in either case; or the id of a session or a trace; or a run's address. */
                q?: string;
                /** @description What a failed run failed of. */
                error_type?: string;
                /** @description Whether the run survived a crash or an eviction. */
                resumed?: boolean;
                /** @description Whether the last attempt of one of its models failed. */
                model_failed?: boolean;
                /** @description It ended, and took at least so long. */
                min_duration_ms?: number;
                /** @description The same without the queue and the time that people took. */
                min_working_ms?: number;
                /** @description It used at least so many tokens. */
                min_total_tokens?: number;
                /** @description It cost at least so many US dollars. */
                min_cost_usd?: number;
                /** @description A label's value, where KEY is the label's key; at most 8 labels. */
                "metadata.KEY"?: string;
                /** @description Whose: for a token with the scope `operator`, whose lists are of all tenants without it. Any other token names its own, or none. */
                tenant?: string;
                /** @description Accepted at this time or later. */
                since?: components["schemas"]["Time"] | string;
                /** @description Accepted before this time. */
                until?: components["schemas"]["Time"] | string;
                /** @description The order: the newest, or those with the largest figure first. Runs without the figure come last. */
                sort?: "accepted" | "duration" | "working" | "waiting" | "tokens" | "cost";
                /** @description How many runs a page has at most. */
                limit?: number;
                /** @description The `next` of the page before, in the same order. */
                cursor?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of runs. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TracePage"];
                };
            };
            400: components["responses"]["InvalidParameter"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["MissingScope"];
            405: components["responses"]["MethodNotAllowed"];
            421: components["responses"]["UnknownHost"];
            429: components["responses"]["RateLimited"];
            500: components["responses"]["Internal"];
            503: components["responses"]["IndexUnavailable"];
        };
    };
}
type WithRequired<T, K extends keyof T> = T & {
    [P in K]-?: T[P];
};

/** Limits of the API: sizes in bytes, the rest as counts. */
export const LIMITS = {
  "answer_bytes": 4194304,
  "body_bytes": 1048576,
  "bulk_jobs": 8,
  "client_frame_bytes": 4096,
  "compared_models": 8,
  "compared_models_min": 2,
  "conversation_bytes": 8388608,
  "deadline_ms": 2592000000,
  "instructions_bytes": 65536,
  "iterations": 50,
  "metadata_filters": 8,
  "metadata_key_bytes": 64,
  "metadata_keys": 32,
  "metadata_value_bytes": 512,
  "name_bytes": 128,
  "queued_runs": 100,
  "socket_frames": 60,
  "socket_unknown_frames": 8,
  "stats_days": 92,
  "task_bytes": 262144,
  "watchers": 1000
} as const;
