import { isObject } from '../../agent/shared/shape.ts';
import { TsuruError, type TsuruAnswer } from '../../agent/shared/tsuru.ts';

/** Fails when a stream of JSON lines holds an error: after the first byte Tsuru can report one only there, below a status of 200. */
export function assertNoError(
  call: string,
  { chunks, requestId, status }: TsuruAnswer,
  quote: (words: string) => string,
): void {
  for (const line of Buffer.concat(chunks).toString('utf8').split('\n')) {
    const words = quote(errorIn(line));
    if (words === '') continue;
    throw new TsuruError('server_error', `${call}: Tsuru said in its answer: ${words}`, { requestId, status, words });
  }
}

function errorIn(line: string): string {
  if (!line.startsWith('{')) return '';
  try {
    const message: unknown = JSON.parse(line);
    return isObject(message) && typeof message['Error'] === 'string' ? message['Error'] : '';
  } catch {
    return '';
  }
}
