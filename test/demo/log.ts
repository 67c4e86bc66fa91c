import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { request } from 'undici';
import type { LocalTsuru } from '../tsuru/server.ts';

/** Shows what an app logs, as `tsuru app-log -f` does, until the signal aborts. Of an agent's lines only the message: the rest is for machines. */
export async function followLog(
  { url, adminToken }: LocalTsuru,
  app: string,
  onLine: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  try {
    const headers = { authorization: `bearer ${adminToken}` };
    const path = `${url}/1.0/apps/${app}/log?lines=100&follow=1&source=web`;
    const { body } = await request(path, { headers, signal, bodyTimeout: 0 });
    for await (const text of createInterface({ input: Readable.from(body) })) {
      if (text === '') continue;
      for (const { Message } of JSON.parse(text) as readonly { readonly Message: string }[]) {
        const line = messageOf(Message);
        if (line !== undefined) onLine(line);
      }
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

/** Prometheus' own lines are many. */
function messageOf(line: string): string | undefined {
  try {
    const { msg, component } = JSON.parse(line) as { msg?: unknown; component?: unknown };
    if (component === 'prometheus') return undefined;
    return typeof msg === 'string' ? msg : line;
  } catch {
    return line;
  }
}
