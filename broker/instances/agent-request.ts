import { basicHeader, INSTANCE_REALM, type Credentials } from '../../agent/shared/basic-auth.ts';
import { errorText } from '../../agent/shared/text.ts';

/** What came of a request to an instance's agent. */
export type AgentReply =
  | { readonly kind: 'answered'; readonly chunks: readonly Buffer[] }
  /** By its own gateway, or by something before it, which may have passwords of its own. */
  | { readonly kind: 'refused'; readonly isOfGateway?: true }
  /** `status` where it answered with another one than 200. */
  | { readonly kind: 'silent'; readonly reason: string; readonly status?: number };

/** The status of 10,000 units takes about 4 MB. */
const LARGEST_BYTES = 16 * 1024 ** 2;

/** Reads a page of an instance's agent. */
export async function askInstance(
  address: string,
  path: string,
  credentials: Credentials,
  signal: AbortSignal,
): Promise<AgentReply> {
  try {
    const url = `${address.replace(/\/+$/, '')}${path}`;
    const headers = { accept: 'application/json', authorization: basicHeader(credentials) };
    const response = await fetch(url, { headers, signal, redirect: 'manual' });
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of response.body ?? []) {
      const bytes = Buffer.from(chunk as Uint8Array);
      size += bytes.length;
      if (size > LARGEST_BYTES) throw new Error('its answer is too large');
      chunks.push(bytes);
    }
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
