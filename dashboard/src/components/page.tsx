/** The frame of a page: its heading and actions. Sets the title and takes the focus when one page follows another. */
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";

interface PageProps {
  /** The heading; also the document's title, unless `documentTitle` is given. */
  title: ComponentChildren;
  documentTitle?: string;
  actions?: ComponentChildren;
  class?: string;
  children: ComponentChildren;
}

let isFirstPage = true;

export function Page({ title, documentTitle, actions, class: extra = "", children }: PageProps) {
  const heading = useRef<HTMLHeadingElement>(null);
  const name = documentTitle ?? (typeof title === "string" ? title : "longhaul");
  useEffect(() => {
    document.title = `${name} · longhaul`;
  }, [name]);
  useEffect(() => {
    if (!isFirstPage) heading.current?.focus({ preventScroll: true });
    if (!isFirstPage) scrollTo(0, 0);
    isFirstPage = false;
  }, []);
  return (
    <div class={`page ${extra}`}>
      <div class="page-head">
        <h1 ref={heading} tabIndex={-1}>
          {title}
        </h1>
        {actions && <div class="actions">{actions}</div>}
      </div>
      {children}
    </div>
  );
}
