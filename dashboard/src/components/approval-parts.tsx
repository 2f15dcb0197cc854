/** What the forms of requests to a person have in common. */
import type { ApprovalRequest } from "../acts";
import { oneLine, visible, words } from "../format";
import { faultAt, faultsElsewhere } from "./field";
import { explained } from "./states";

/** Which call it is about, and what is said of it. */
export function ApprovalHead({ request }: { request: ApprovalRequest }) {
  return (
    <>
        <div class="approval-head">
          <h3>
            <bdi class="mono">{visible(request.tool)}</bdi>
          </h3>
          <span class="muted">
            call {request.call}
            {request.effect !== null && ` · ${words(request.effect)}`}
            {request.rule !== null && (
              <>
                {" · asked by "}
                <bdi>{oneLine(request.rule, 80)}</bdi>
              </>
            )}
            {request.isForAnother && " · not by whoever started the run"}
          </span>
        </div>
        {request.summary !== null && (
          <p class="approval-summary">
            <bdi>{visible(request.summary)}</bdi>
          </p>
        )}
    </>
  );
}

/** What the server says that is about no field of the form. */
export function Complaint({ error, pointer }: { error: unknown; pointer: string | null }) {
  if (error === null) return null;
  const { title, detail } = explained(error);
  const elsewhere = faultsElsewhere(error, pointer === null ? [] : [pointer]);
  if (pointer !== null && faultAt(error, pointer) !== null && elsewhere.length === 0) return null;
  return (
    <div class="field-error" role="alert">
      {visible(detail === "" ? title : `${title}: ${detail}`)}
      {elsewhere.map((fault) => (
        <div key={fault.pointer}>
          <code>{visible(fault.pointer)}</code> {visible(fault.detail)}
        </div>
      ))}
    </div>
  );
}
