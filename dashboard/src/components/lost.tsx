/** Says that the connection of an open run is gone, and when it is tried again. */
import { useNow } from "../hooks";
import type { RunStream } from "../run-stream";
import { Banner } from "./states";

export function Lost({ stream: { connection, fold, retryNow }, isOpen }: { stream: RunStream; isOpen: boolean }) {
  const isLost = connection.state === "lost";
  const now = useNow(isLost ? 250 : null);
  const isBack = connection.state === "connecting" && fold.isCaughtUp;
  if (!isOpen || (!isLost && !isBack)) return null;
  const seconds = isLost ? Math.max(1, Math.ceil((connection.retryAt - now) / 1000)) : 0;
  return (
    <Banner
      tone="warning"
      actions={
        <button type="button" class="button small" disabled={!isLost} onClick={retryNow}>
          Try now
        </button>
      }
    >
      {isLost ? (
        <>
          Connection lost, trying again in <span class="num">{seconds} s</span>.
        </>
      ) : (
        "Connection lost, trying again now."
      )}{" "}
      The run goes on without this page; what was missed comes first.
    </Banner>
  );
}
