/** Browser storage that may be missing, full or forbidden: the dashboard works without it. */

export function readLocal(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

export function writeLocal(key: string, value: string | null): void {
  try {
    if (value === null) localStorage.removeItem(key);
    else localStorage.setItem(key, value);
  } catch {
    // Nothing depends on it.
  }
}

/** A list of strings that was written with `writeLocalList`. */
export function readLocalList(key: string): string[] {
  try {
    const list: unknown = JSON.parse(readLocal(key) ?? "[]");
    return Array.isArray(list) ? list.filter((item) => typeof item === "string") : [];
  } catch {
    return [];
  }
}

export function writeLocalList(key: string, list: readonly string[]): void {
  writeLocal(key, JSON.stringify(list));
}

export function readSession(key: string): string | null {
  try {
    return sessionStorage.getItem(key);
  } catch {
    return null;
  }
}

export function writeSession(key: string, value: string | null): void {
  try {
    if (value === null) sessionStorage.removeItem(key);
    else sessionStorage.setItem(key, value);
  } catch {
    // The token then lasts as long as the page.
  }
}
