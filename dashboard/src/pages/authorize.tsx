import { useEffect, useState } from "preact/hooks";
import * as api from "../api";
import { broughtBack, doneWithIt } from "../arrival";
import { AuthorizeServer } from "../components/authorize";
import { Page } from "../components/page";
import { Empty, explained } from "../components/states";
import { exactTime, oneLine, visible } from "../format";
import type { McpAuthorization } from "../openapi";
import { href } from "../router";

/** A link of a message leads here: an MCP server wants a token. */
export function AuthorizePage({ server }: { server: string }) {
  if (server === "") return <Nothing />;
  return (
    <Page title={`Authorize ${oneLine(server, 64)}`} class="narrow-page">
      <div class="panel form">
        <p>
          The MCP server <bdi class="mono">{visible(server)}</bdi> gives its tools to those alone who are allowed to use
          it. Calls of its tools wait until somebody has authorized it.
        </p>
        <AuthorizeServer server={server} />
      </div>
    </Page>
  );
}

type Outcome = { state: "sending" } | { state: "done"; made: McpAuthorization } | { state: "failed"; error: unknown };

/** People come back here from the issuer of a server's tokens. */
export function AuthorizedPage() {
  const [brought] = useState(broughtBack);
  const [outcome, setOutcome] = useState<Outcome>({ state: "sending" });
  useEffect(() => {
    if (brought === null) return;
    api.authorize(brought).then(
      (made) => {
        doneWithIt();
        setOutcome({ state: "done", made });
      },
      (error: unknown) => {
        // Whoever signs in comes here again.
        if (!(error instanceof api.ApiError && error.status === 401)) doneWithIt();
        setOutcome({ state: "failed", error });
      },
    );
  }, [brought]);
  if (brought === null) return <Nothing />;
  if (outcome.state === "sending") {
    return (
      <Page title="Authorizing" class="narrow-page">
        <p role="status">One moment: what you bring is handed over.</p>
      </Page>
    );
  }
  if (outcome.state === "failed") {
    const { title, detail } = explained(outcome.error);
    return (
      <Page title="Not authorized" class="narrow-page">
        <Empty title={title} icon="warning" actions={ON}>
          <p>{visible(detail)}</p>
        </Empty>
      </Page>
    );
  }
  return <Came made={outcome.made} />;
}

function Came({ made: { server, authorized, scope, expires_at: until, error, error_description: why } }: { made: McpAuthorization }) {
  const name = oneLine(server, 64);
  if (authorized) {
    return (
      <Page title="Authorized" class="narrow-page">
        <Empty title={`${name} can be used`} icon="check" actions={ON}>
          <p>
            Calls that waited for it go on.
            {scope !== null && ` Its rights: ${visible(scope)}.`}
            {until !== null && ` The token is good until ${exactTime(until)}, and renewed by itself where that is possible.`}
          </p>
        </Empty>
      </Page>
    );
  }
  const again = (
    <a class="button primary" href={href(["authorize"], { server })}>
      Try again
    </a>
  );
  return (
    <Page title="Not authorized" class="narrow-page">
      <Empty title={error === "access_denied" ? `${name} was not allowed` : `${name} cannot be used`} icon="warning" actions={again}>
        <p>
          Its issuer says <bdi class="mono">{oneLine(error ?? "nothing", 64)}</bdi>
          {why !== null && (
            <>
              {": "}
              <bdi>{oneLine(why, 400)}</bdi>
            </>
          )}
          . Nothing was changed, and calls that wait for the server go on waiting.
        </p>
      </Empty>
    </Page>
  );
}

function Nothing() {
  return (
    <Page title="Authorize" class="narrow-page">
      <Empty title="There is nothing to hand over" actions={ON}>
        <p>A link to authorize a server is used once. Open it again from the call that waits.</p>
      </Empty>
    </Page>
  );
}

const ON = (
  <a class="button" href={href(["inbox"])}>
    Inbox
  </a>
);
