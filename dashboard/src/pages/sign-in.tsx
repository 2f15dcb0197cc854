import { useState } from "preact/hooks";
import * as api from "../api";
import { dropToken, gate as gateStore, signedIn, tryToken, type Gate } from "../auth";
import { Field } from "../components/field";
import { Page } from "../components/page";
import { Empty, explained } from "../components/states";
import type { FieldError } from "../openapi";

/** What is shown instead of a page while the server lets nobody in. */
export function SignInPage({ gate }: { gate: Exclude<Gate, { state: "open" }> }) {
  if (gate.state === "not_configured") return <NotConfigured />;
  if (gate.state === "misconfigured") return <Misconfigured faults={gate.faults} />;
  return <SignIn wasRejected={gate.rejected} />;
}

/** The token of what was pasted: people copy the whole header as well. */
function tokenIn(pasted: string): string {
  return pasted.trim().replace(/^(authorization:\s*)?bearer(\s+|$)/i, "");
}

const REJECTED = "The server does not accept this token.";

function SignIn({ wasRejected }: { wasRejected: boolean }) {
  const [value, setValue] = useState("");
  const [error, setError] = useState<string | null>(wasRejected ? REJECTED : null);
  const [isBusy, setIsBusy] = useState(false);
  const submit = async (event: Event) => {
    event.preventDefault();
    const pasted = tokenIn(value);
    if (pasted === "") return setError("Paste a token.");
    // Anything else cannot be sent in a header.
    if (/[^\x21-\x7e]/.test(pasted)) return setError("A token has visible ASCII characters only.");
    setIsBusy(true);
    setError(null);
    tryToken(pasted);
    try {
      await api.deployment();
      signedIn(pasted);
    } catch (failure) {
      const isRejected = failure instanceof api.ApiError && failure.status === 401;
      if (isRejected) dropToken();
      const { title, detail } = explained(failure);
      setError(isRejected ? REJECTED : `${title}. ${detail}`);
    } finally {
      setIsBusy(false);
    }
  };
  return (
    <Page title="Sign in" class="narrow-page">
      <form class="panel form" onSubmit={(event) => void submit(event)} noValidate>
        <p>
          This deployment asks for a token. It is kept in the open tabs of this page alone, and forgotten when you close
          the last one.
        </p>
        <Field
          label="Token"
          error={error}
          help={
            <>
              One of the <code>API_TOKENS</code> of the deployment, without its name.
            </>
          }
        >
          {(ids) => (
            <input
              {...ids}
              type="password"
              autocomplete="off"
              spellcheck={false}
              required
              value={value}
              onInput={(event) => setValue(event.currentTarget.value)}
            />
          )}
        </Field>
        <div class="actions end">
          <button type="submit" class="button primary" disabled={isBusy}>
            {isBusy ? "Signing in…" : "Sign in"}
          </button>
        </div>
      </form>
    </Page>
  );
}

const TRY_AGAIN = (
  <button type="button" class="button" onClick={() => gateStore.set({ state: "open" })}>
    Try again
  </button>
);

function Misconfigured({ faults }: { faults: readonly FieldError[] }) {
  return (
    <Page title="Closed" class="narrow-page">
      <Empty title="The deployment is misconfigured" icon="warning" actions={TRY_AGAIN}>
        <p>It refuses everything until its variables are right:</p>
        <dl class="faults">
          {faults.map(({ pointer, detail }) => (
            <div key={`${pointer} ${detail}`}>
              <dt>
                <code>{pointer}</code>
              </dt>
              <dd>{detail}</dd>
            </div>
          ))}
        </dl>
        <p>
          They are in <code>.dev.vars</code> on your own machine, and in <code>wrangler.toml</code> or a secret of a
          deployment.
        </p>
      </Empty>
    </Page>
  );
}

function NotConfigured() {
  return (
    <Page title="Closed" class="narrow-page">
      <Empty title="Access is not configured" icon="warning" actions={TRY_AGAIN}>
        <p>Nobody can sign in until this deployment has tokens. Set the secret to name:token pairs:</p>
        <pre class="code">npx wrangler secret put API_TOKENS</pre>
        <p>
          For work on your own machine <code>cargo xtask dev</code> passes <code>AUTH=off</code>.
        </p>
      </Empty>
    </Page>
  );
}
