import { CompareForm } from "../components/compare-form";
import { CompareResult } from "../components/compare-result";
import { Page } from "../components/page";

/** One task to several models, side by side. `session` is a comparison's, null for the form. */
export function ComparePage({ session, query }: { session: string | null; query: URLSearchParams }) {
  if (session !== null) return <CompareResult session={session} query={query} />;
  return (
    <Page title="Compare models" class="compare-page">
      <CompareForm query={query} />
    </Page>
  );
}
