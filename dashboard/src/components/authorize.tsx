/** Authorizes an MCP server: a link is made for whoever asks, and where it leads stands there before anybody goes. */
import { useState } from "preact/hooks";
import * as api from "../api";
import { exactTime, visible } from "../format";
import type { McpLink } from "../openapi";
import { Icon } from "./icon";
import { useSending } from "./sending";
import { explained } from "./states";

export function AuthorizeServer({ server }: { server: string }) {
  const { error, isBusy, fail, send } = useSending();
  const [link, setLink] = useState<McpLink | null>(null);
  const open = () =>
    send({ server }, async () => {
      setLink(await api.openLink(server));
      fail(null);
    });
  if (link !== null) return <Leave link={link} />;
  return (
    <div>
      {error !== null && (
        <div class="field-error" role="alert">
          {visible(`${explained(error).title}: ${explained(error).detail}`)}
        </div>
      )}
      <button type="button" class="button primary" disabled={isBusy} onClick={() => void open()}>
        {isBusy ? "Asking the server…" : `Authorize ${visible(server)}`}
      </button>
    </div>
  );
}

function Leave({ link: { url, host, scope, expires_at: expiresAt } }: { link: McpLink }) {
  // The server checks it as well.
  const isSafe = /^https?:\/\//i.test(url);
  return (
    <div>
      <p>
        This leads to <bdi class="mono">{visible(host)}</bdi>, which asks whether this deployment may use the server
        {scope !== null && (
          <>
            {" with the rights "}
            <bdi class="mono">{visible(scope)}</bdi>
          </>
        )}
        . What you allow there serves everybody of your tenant. It sends you back here; the link is for you alone, until{" "}
        {exactTime(expiresAt)}.
      </p>
      {isSafe && (
        <a class="button primary" href={url} rel="noreferrer">
          <Icon name="check" /> Go to {visible(host)}
        </a>
      )}
    </div>
  );
}
