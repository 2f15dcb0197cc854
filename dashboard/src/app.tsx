import { useEffect, useRef } from "preact/hooks";
import { gate, token } from "./auth";
import { Announcer } from "./components/announcer";
import { Empty } from "./components/states";
import { TenantBar } from "./components/tenants";
import { TopBar } from "./components/top-bar";
import { deploymentStore, loadDeployment } from "./deployment";
import { AuthorizedPage, AuthorizePage } from "./pages/authorize";
import { ComparePage } from "./pages/compare";
import { InboxPage } from "./pages/inbox";
import { ModelsPage } from "./pages/models";
import { RunPage } from "./pages/run";
import { RunsPage } from "./pages/runs";
import { SessionPage } from "./pages/session";
import { SignInPage } from "./pages/sign-in";
import { useSearchKey } from "./keys";
import { href, useRoute, type Route } from "./router";
import { useStore } from "./store";

/** The bar, and the page that the address names; or the sign-in, when the server wants a token. */
export function App() {
  const route = useRoute();
  const entry = useStore(gate);
  const user = useStore(token);
  const isOperator = useStore(deploymentStore)?.operator === true;
  const main = useRef<HTMLElement>(null);
  useEffect(() => {
    const abort = new AbortController();
    // The pages say themselves what is wrong; without it the forms have no suggestions.
    if (entry.state === "open") loadDeployment(abort.signal).catch(() => undefined);
    return () => abort.abort();
  }, [entry.state, user]);
  const skip = (event: Event) => {
    event.preventDefault();
    main.current?.focus();
  };
  return (
    <>
      <a class="skip-link" href="#main" onClick={skip}>
        Skip to the content
      </a>
      <TopBar page={pageOf(route)} />
      <main id="main" ref={main} tabIndex={-1}>
        {entry.state === "open" && isOperator && <TenantBar route={route} />}
        {entry.state === "open" ? <Content route={route} /> : <SignInPage gate={entry} />}
      </main>
      <Announcer />
    </>
  );
}

/** The entry of the bar that a route belongs to. */
function pageOf({ path: [page = "runs"] }: Route): string {
  return page === "sessions" ? "runs" : page;
}

function Content({ route: { path, query } }: { route: Route }) {
  useSearchKey();
  const [page = "runs", session, run] = path;
  const tenant = query.get("tenant") ?? "";
  if (page === "runs" && session === undefined) return <RunsPage query={query} />;
  if (page === "runs" && session !== undefined && run !== undefined && /^[1-9]\d{0,8}$/.test(run)) {
    return <RunPage key={`${tenant}/${session}/${run}`} session={session} run={Number(run)} query={query} />;
  }
  if (page === "sessions" && session !== undefined) {
    return <SessionPage key={`${tenant}/${session}`} session={session} query={query} />;
  }
  if (page === "compare") return <ComparePage key={`${tenant}/${session ?? ""}`} session={session ?? null} query={query} />;
  if (page === "authorize") return <AuthorizePage server={query.get("server") ?? ""} />;
  if (page === "authorized") return <AuthorizedPage />;
  if (page === "inbox") return <InboxPage />;
  if (page === "models") return <ModelsPage query={query} />;
  return (
    <div class="page">
      <h1 class="visually-hidden">Not found</h1>
      <Empty
        title="There is no such page"
        actions={
          <a class="button" href={href(["runs"])}>
            All runs
          </a>
        }
      />
    </div>
  );
}
