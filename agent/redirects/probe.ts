import undiciRequest from 'undici/lib/api/api-request.js';
import Pool from 'undici/lib/dispatcher/pool.js';
import { errorText } from '../shared/text.ts';
import { destinationOf, type Destination } from './place.ts';

/** From the connection to the last header: a redirect takes no work. */
const ANSWER_TIMEOUT_MS = 5_000;
/** What Prometheus accepts, so that the app answers the same. */
const ACCEPT = 'application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1';

/** Asks a target once, as Prometheus does but without credentials, and returns where it redirects. Follows nothing, and never rejects. */
export type Probe = (url: URL, signal: AbortSignal) => Promise<Destination>;

export const probe: Probe = async (url, signal) => {
  // Of its own, so that nothing of it stays. It knows of no proxy.
  const pool = new Pool(url.origin, {
    connections: 1,
    // Nothing secret is sent, and of the answer only a path at the same address counts.
    connect: { timeout: ANSWER_TIMEOUT_MS, rejectUnauthorized: false },
    headersTimeout: ANSWER_TIMEOUT_MS,
  });
  try {
    const { statusCode, headers, body } = await undiciRequest.call(pool, {
      method: 'GET',
      path: `${url.pathname}${url.search}`,
      headers: { accept: ACCEPT },
      signal: AbortSignal.any([signal, AbortSignal.timeout(ANSWER_TIMEOUT_MS)]),
    });
    // The body is not read, however long it is.
    body.on('error', () => undefined).destroy();
    if (statusCode < 300 || statusCode > 399) return refused(`it answered the agent ${statusCode}`);
    const { location } = headers;
    return typeof location === 'object' ? refused('it names more than one Location') : destinationOf(url, location);
  } catch (error) {
    return refused(`the agent could not ask it: ${errorText(error)}`);
  } finally {
    await pool.destroy();
  }
};

function refused(why: string): Destination {
  return { kind: 'refused', why };
}
