import assert from "node:assert/strict";
import { test } from "node:test";
import { href, parseHash } from "../src/router";
import { apiQuery, FIGURES, filterCount, filtered, newerPage, olderPage, parseFigure, parseMetadata } from "../src/runs-query";

test("the address says what the server is asked", () => {
  const query = new URLSearchParams("status=failed,running&metadata.customer=4%262&c=one&c=two&span=x&q=a+b");
  assert.equal(
    apiQuery(query, 0).toString(),
    "status=failed%2Crunning&metadata.customer=4%262&q=a+b&limit=50&cursor=two",
  );
  assert.equal(apiQuery(new URLSearchParams("range=1h"), 7_230_000).get("since"), "3600000");
});

test("paging remembers the way back, and a filter begins anew", () => {
  const second = olderPage(new URLSearchParams("q=x"), "a,/?");
  const third = olderPage(second, "b");
  assert.equal(newerPage(third)?.toString(), second.toString());
  assert.equal(newerPage(second)?.toString(), "q=x");
  assert.equal(newerPage(new URLSearchParams()), null);
  assert.equal(filtered(third, { q: "", agent: "me" }).toString(), "agent=me");
  assert.equal(filterCount(third), 1);
});

test("metadata is typed as key=value, and the value may hold more of these", () => {
  assert.deepEqual(parseMetadata(" a = b=c "), ["a", "b=c"]);
  for (const text of ["", "a", "=b", "a="]) assert.equal(parseMetadata(text), null);
});

test("an address is read as it was written", () => {
  const route = parseHash(href(["runs", "a/b %", "1"], { q: "ü&=#", empty: "", none: null }));
  assert.deepEqual([...route.path], ["runs", "a/b %", "1"]);
  assert.equal(route.query.toString(), "q=%C3%BC%26%3D%23");
  assert.deepEqual([...parseHash("#/runs/%E0%A4%A").path], ["runs", "%E0%A4%A"]);
  assert.deepEqual([...parseHash("").path], []);
});

test("a figure is typed in its unit, and the server is told in its own", () => {
  const [took, , tokens, cost] = FIGURES;
  assert.deepEqual([parseFigure("1.5", took), parseFigure(" 2 ", tokens), parseFigure("0.05", cost)], ["1500", "2", "0.05"]);
  for (const text of ["", " ", "-1", "x"]) assert.equal(parseFigure(text, cost), null);
  const query = new URLSearchParams("sort=cost&min_duration_ms=1500&resumed=true");
  assert.equal(apiQuery(query, 0).toString(), "sort=cost&min_duration_ms=1500&resumed=true&limit=50");
  assert.equal(filterCount(query), 2);
});
