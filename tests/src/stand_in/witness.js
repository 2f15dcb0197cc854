// Stands in front of a build, and the log says when an object is made: a second time means that it was evicted.

import { Session as Built } from "./index.js";

export * from "./index.js";
export { default } from "./index.js";

export class Session extends Built {
  constructor(ctx, env) {
    super(ctx, env);
    console.log("an object was made");
  }
}
