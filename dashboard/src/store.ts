/** A value that components can watch: the state that several pages share. */
import { useEffect, useReducer } from "preact/hooks";

export interface Store<T> {
  get(): T;
  set(value: T): void;
  /** Calls `listener` after each change; gives the function that ends this. */
  subscribe(listener: () => void): () => void;
}

export function store<T>(initial: T): Store<T> {
  let value = initial;
  const listeners = new Set<() => void>();
  return {
    get: () => value,
    set(next) {
      if (Object.is(next, value)) return;
      value = next;
      for (const listener of [...listeners]) listener();
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

/** The store's value; the component renders again when it changes. */
export function useStore<T>(source: Store<T>): T {
  const [, bump] = useReducer((count: number) => count + 1, 0);
  const seen = source.get();
  useEffect(() => {
    // It may have changed between the render and this effect.
    if (!Object.is(source.get(), seen)) bump(undefined);
    return source.subscribe(() => bump(undefined));
  }, [source]);
  return seen;
}
