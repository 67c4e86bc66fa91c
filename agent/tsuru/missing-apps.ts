import pMap from 'p-map';
import { parseJson } from '../shared/shape.ts';
import { errorText } from '../shared/text.ts';
import { TsuruError, type TsuruClient } from '../shared/tsuru.ts';
import { readPermissions, type Permission } from '../shared/permissions.ts';
import { mayRead } from './answers.ts';
import { appPath, CALLS, DETAILS_AT_A_TIME } from './calls.ts';

/** The first wait before an app that is missing from the list, though it may be read, is asked for again; it doubles. */
const FIRST_RETRY_MS = 30_000;
const LONGEST_RETRY_MS = 10 * 60_000;
/** After this time no more apps are asked for in one poll, so that hundreds of slow ones do not hold it up. */
const ASKING_LIMIT_MS = 30_000;

/** What is found out about an app that is missing from the list: of a removed one the grant is still there, for the next app of its name. */
export type Verdict =
  { readonly kind: 'unbound' | 'removed'; readonly why: string } | { readonly kind: 'kept'; readonly reason: string };

/** When a missing app was asked for: one an app, kept as long as it is missing. */
export interface MissingState {
  readonly tries: number;
  readonly notBeforeMs: number;
  readonly reason: string;
}

/**
 * Finds out whether apps that are missing from Tsuru's list are really gone: only if the token's grant is gone or Tsuru says that there is
 * no such app. Everything else, and every failure to find out, keeps them.
 */
export async function confirmMissing(
  names: readonly string[],
  states: Map<string, MissingState>,
  tsuru: TsuruClient,
  nowMs: () => number,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, Verdict>> {
  const missing = new Set(names);
  for (const name of states.keys()) if (!missing.has(name)) states.delete(name);
  if (names.length === 0) return new Map();

  const deadlineMs = nowMs() + ASKING_LIMIT_MS;
  let permissions: readonly Permission[];
  try {
    permissions = readPermissions(parseJson((await tsuru.get(CALLS.permissions, '/1.0/users/info', signal)).chunks));
  } catch (error) {
    const reason = `it is missing from Tsuru's list, and whether it is still bound cannot be found out (${errorText(error)})`;
    return new Map(names.map((name) => [name, { kind: 'kept', reason }]));
  }
  const verdicts = await pMap(
    names,
    async (name): Promise<[string, Verdict]> => {
      if (!mayRead(permissions, name)) return [name, { kind: 'unbound', why: 'it is no longer bound' }];
      const state = states.get(name);
      if (state !== undefined && nowMs() < state.notBeforeMs) return [name, { kind: 'kept', reason: state.reason }];
      if (nowMs() >= deadlineMs)
        return [name, { kind: 'kept', reason: "it is missing from Tsuru's list; it is asked for soon" }];
      const verdict = await askForApp(name, tsuru, signal);
      if (verdict.kind === 'kept') {
        const tries = (state?.tries ?? 0) + 1;
        const waitMs = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** (tries - 1));
        states.set(name, { tries, notBeforeMs: nowMs() + waitMs, reason: verdict.reason });
      }
      return [name, verdict];
    },
    { concurrency: DETAILS_AT_A_TIME },
  );
  return new Map(verdicts);
}

async function askForApp(name: string, tsuru: TsuruClient, signal: AbortSignal): Promise<Verdict> {
  try {
    await tsuru.get(CALLS.app, appPath(name), signal);
    return { kind: 'kept', reason: "it is missing from Tsuru's list, but it is there and may be read" };
  } catch (error) {
    // Tsuru answers plain text: a page of HTML is of a proxy, which has a 404, too.
    if (error instanceof TsuruError && error.failure === 'not_found' && !error.message.includes('<html'))
      return { kind: 'removed', why: 'the app was removed' };
    return { kind: 'kept', reason: `it is missing from Tsuru's list, but it may be read (${errorText(error)})` };
  }
}
