import { basicHeader, INSTANCE_REALM, type Credentials } from '../../agent/shared/basic-auth.ts';
import { errorText, shortLine } from '../../agent/shared/text.ts';
import type { App } from '../tsuru/app.ts';
import { agentAddressOf, USERNAME, VARIABLES } from './parts/instance.ts';

/** Where an agent answers, and with which user and password. */
export interface AgentPlace {
  readonly address: string;
  readonly credentials: Credentials;
}

/** The variables of an instance's app that say how its agent is asked. */
export const ACCESS_VARIABLES = [VARIABLES.username, VARIABLES.password];

/** By the template of addresses, and the app's variables; undefined while there is no agent, or its password is not known. */
export function placeOf(
  template: string,
  app: App | undefined,
  variables: ReadonlyMap<string, string> | undefined,
): AgentPlace | undefined {
  const address = app === undefined ? '' : agentAddressOf(template, app);
  const password = variables?.get(VARIABLES.password);
  if (address === '' || password === undefined) return undefined;
  return { address, credentials: { username: variables?.get(VARIABLES.username) ?? USERNAME, password } };
}

/** What came of reading a page of an instance's agent. */
export type AgentReply =
  | { readonly kind: 'answered'; readonly chunks: readonly Buffer[] }
  /** By its own gateway, or by something before it, which may have passwords of its own. */
  | { readonly kind: 'refused'; readonly isOfGateway?: true }
  /** `status` where it answered with another one than 200. */
  | { readonly kind: 'silent'; readonly reason: string; readonly status?: number };

/** The status of 10,000 units takes about 4 MB. */
const LARGEST_BYTES = 16 * 1024 ** 2;
/** Of an answer to a POST, which is a sentence. */
const LONGEST_TEXT = 200;

/** Reads a page of an instance's agent. */
export async function askInstance(place: AgentPlace, path: string, signal: AbortSignal): Promise<AgentReply> {
  try {
    const response = await fetch(urlOf(place, path), { headers: headersOf(place), signal, redirect: 'manual' });
    const chunks = await bodyOf(response);
    const { status } = response;
    if (status === 401 || status === 403) {
      const isOfGateway = response.headers.get('www-authenticate')?.includes(INSTANCE_REALM) === true;
      return isOfGateway ? { kind: 'refused', isOfGateway } : { kind: 'refused' };
    }
    return status === 200 ? { kind: 'answered', chunks } : { kind: 'silent', reason: `it answers ${status}`, status };
  } catch (error) {
    return { kind: 'silent', reason: signal.aborted ? 'not in time' : errorText(error) };
  }
}

/**
 * Posts JSON to a page of an instance's agent.
 * @throws what fetch throws when it is not reached, or not in time.
 */
export async function postToInstance(
  place: AgentPlace,
  path: string,
  json: unknown,
  signal: AbortSignal,
): Promise<{ readonly status: number; readonly text: string }> {
  const response = await fetch(urlOf(place, path), {
    method: 'POST',
    headers: { ...headersOf(place), 'content-type': 'application/json' },
    body: JSON.stringify(json),
    signal,
    redirect: 'manual',
  });
  const body = Buffer.concat(await bodyOf(response)).toString('utf8');
  return { status: response.status, text: shortLine(body, LONGEST_TEXT) };
}

/** @throws when it is too large. */
async function bodyOf({ body }: Response): Promise<readonly Buffer[]> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body ?? []) {
    const bytes = Buffer.from(chunk as Uint8Array);
    size += bytes.length;
    if (size > LARGEST_BYTES) throw new Error('its answer is too large');
    chunks.push(bytes);
  }
  return chunks;
}

function urlOf({ address }: AgentPlace, path: string): string {
  return `${address.replace(/\/+$/, '')}${path}`;
}

/** Redirects are not followed anywhere here: these would go along. */
function headersOf({ credentials }: AgentPlace): Record<string, string> {
  return { accept: 'application/json', authorization: basicHeader(credentials) };
}
