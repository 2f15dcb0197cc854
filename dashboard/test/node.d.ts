/** The little of Node that the tests use, so that the type check needs no further package. */
declare module "node:test" {
  export function test(name: string, body: () => void | Promise<void>): void;
}

declare module "node:assert/strict" {
  interface Assert {
    (value: unknown, message?: string): asserts value;
    equal(actual: unknown, expected: unknown, message?: string): void;
    deepEqual(actual: unknown, expected: unknown, message?: string): void;
    match(text: string, pattern: RegExp, message?: string): void;
  }
  const assert: Assert;
  export default assert;
}

declare module "node:fs" {
  export function readdirSync(dir: string, options: { recursive: boolean }): string[];
  export function readFileSync(file: string, encoding: "utf8"): string;
}

declare const process: { env: Record<string, string | undefined> };
