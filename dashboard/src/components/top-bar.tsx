import { signOut, token } from "../auth";
import { deploymentStore } from "../deployment";
import { inboxCount, useInbox } from "../inbox";
import { href } from "../router";
import { useStore } from "../store";
import { setTheme, theme, type Theme } from "../theme";
import { Icon, type IconName } from "./icon";

const PAGES = [
  ["runs", "Runs"],
  ["inbox", "Inbox"],
  ["compare", "Compare"],
  ["models", "Models"],
] as const;

const THEMES: Record<Theme, { next: Theme; icon: IconName; word: string }> = {
  system: { next: "light", icon: "system", word: "as the system" },
  light: { next: "dark", icon: "sun", word: "light" },
  dark: { next: "system", icon: "moon", word: "dark" },
};

/** The bar above every page. */
export function TopBar({ page }: { page: string }) {
  const isSignedIn = useStore(token) !== null;
  const waiting = inboxCount(useInbox());
  const deployment = useStore(deploymentStore);
  return (
    <header class="top-bar">
      <a class="brand" href={href(["runs"])}>
        <img src="/favicon.svg" alt="" width="20" height="20" /> longhaul
      </a>
      <nav aria-label="Pages">
        {PAGES.map(([path, name]) => (
          <a key={path} href={href([path])} aria-current={path === page ? "page" : undefined}>
            {name}
            {path === "inbox" && waiting !== "" && (
              <span class="inbox-count">
                {waiting}
                <span class="visually-hidden"> waiting</span>
              </span>
            )}
          </a>
        ))}
      </nav>
      <div class="top-end">
        {isSignedIn && deployment && (
          <span
            class="tenant"
            title={deployment.operator ? "An operator: you see what every tenant owns" : "You see what this tenant owns"}
          >
            {deployment.tenant}
          </span>
        )}
        <ThemeButton />
        {isSignedIn && (
          <button type="button" class="button ghost small" onClick={signOut}>
            <Icon name="exit" /> <span class="wide-only">Sign out</span>
            <span class="visually-hidden narrow-only">Sign out</span>
          </button>
        )}
      </div>
    </header>
  );
}

function ThemeButton() {
  const { next, icon, word } = THEMES[useStore(theme)];
  const label = `Colours: ${word}. Switch to ${THEMES[next].word}`;
  return (
    <button
      type="button"
      class="button ghost small icon-only"
      aria-label={label}
      title={label}
      onClick={() => setTheme(next)}
    >
      <Icon name={icon} />
    </button>
  );
}
