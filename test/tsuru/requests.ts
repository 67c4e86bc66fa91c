/** A request that the local Tsuru has seen. */
export interface SeenRequest {
  readonly method: string;
  /** As it was asked for, with API version, without query. */
  readonly path: string;
  readonly query: string;
  readonly at: Date;
  /** Undefined until it is answered. */
  status: number | undefined;
}

export interface Requests {
  all(): readonly Readonly<SeenRequest>[];
  /** How many there were, of a method and of a path (a text is the whole path). */
  count(method: string, path: string | RegExp): number;
  clear(): void;
}

export interface RequestLog extends Requests {
  add(request: SeenRequest): void;
}

/** Enough for every test, and not too many for a demo of days. */
const KEPT = 100_000;

export function createRequestLog(): RequestLog {
  let seen: SeenRequest[] = [];
  return {
    all: () => [...seen],
    count: (method, path) =>
      seen.filter((request) => {
        const fits = typeof path === 'string' ? request.path === path : path.test(request.path);
        return fits && request.method === method;
      }).length,
    clear: () => {
      seen = [];
    },
    add: (request) => {
      seen.push(request);
      if (seen.length > KEPT) seen = seen.slice(KEPT / 2);
    },
  };
}
