/**
 * A foreign text as Markdown. It can make the elements that stand here and no other: none is a link or an image, none
 * loads anything, and every word goes through `visible`.
 */
import type { JSX } from "preact";
import { blocks, type Block } from "../markdown/blocks";
import { inline, type Inline } from "../markdown/inline";
import { visible } from "../format";

export function Markdown({ text }: { text: string }) {
  return <Blocks blocks={blocks(text)} />;
}

function Blocks({ blocks: all }: { blocks: readonly Block[] }) {
  return (
    <>
      {all.map((block, index) => (
        <BlockView key={index} block={block} />
      ))}
    </>
  );
}

function BlockView({ block }: { block: Block }): JSX.Element {
  switch (block.kind) {
    case "paragraph":
      return (
        <p dir="auto">
          <Line text={block.text} />
        </p>
      );
    case "heading":
      // No heading of the page: its outline is the page's own.
      return (
        <p class={`md-heading md-h${block.level}`} dir="auto">
          <Line text={block.text} />
        </p>
      );
    case "code":
      return (
        <div class="md-code">
          {block.language !== "" && <span class="muted">{visible(block.language)}</span>}
          <pre dir="ltr">{visible(block.text)}</pre>
        </div>
      );
    case "quote":
      return (
        <blockquote>
          <Blocks blocks={block.blocks} />
        </blockquote>
      );
    case "list": {
      const items = block.items.map((item, index) => (
        <li key={index}>
          <Blocks blocks={item} />
        </li>
      ));
      return block.start === null ? <ul>{items}</ul> : <ol start={block.start}>{items}</ol>;
    }
    case "table":
      return <Table rows={block.rows} />;
    case "rule":
      return <hr />;
  }
}

function Table({ rows: [head = [], ...body] }: { rows: readonly (readonly string[])[] }) {
  return (
    <div class="md-table" role="group" aria-label="Table" tabIndex={0}>
      <table>
        <thead>
          <tr>
            {head.map((cell, index) => (
              <th key={index} scope="col" dir="auto">
                <Line text={cell} />
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {body.map((row, place) => (
            <tr key={place}>
              {row.map((cell, index) => (
                <td key={index} dir="auto">
                  <Line text={cell} />
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Line({ text }: { text: string }) {
  return <Inlines content={inline(text)} />;
}

function Inlines({ content }: { content: readonly Inline[] }) {
  return (
    <>
      {content.map((item, index) => (
        <InlineView key={index} item={item} />
      ))}
    </>
  );
}

function InlineView({ item }: { item: Inline }): JSX.Element {
  switch (item.kind) {
    case "text":
      return <>{visible(item.text)}</>;
    case "code":
      return <code>{visible(item.text)}</code>;
    case "link":
      return (
        <>
          {item.isImage && <span class="muted">image: </span>}
          {visible(item.label)} <span class="md-address">({visible(item.address)})</span>
        </>
      );
    case "strong":
      return (
        <strong>
          <Inlines content={item.content} />
        </strong>
      );
    case "emphasis":
      return (
        <em>
          <Inlines content={item.content} />
        </em>
      );
    case "strike":
      return (
        <s>
          <Inlines content={item.content} />
        </s>
      );
  }
}
