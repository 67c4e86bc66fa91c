// A service's broker that writes down what it is asked, and answers as it is reported.
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import { readText } from './http.ts';
import type { ServiceOptions } from './services.ts';

export interface AskedOfBroker {
  readonly method: string;
  readonly path: string;
  /** With their names as they were written, without those that every request has; the values of a repeated one on lines of their own. */
  readonly headers: Readonly<Record<string, string>>;
  /** Null when there is none. */
  readonly body: string | null;
}

interface ScriptedAnswer {
  readonly status: number;
  readonly body: string;
}

export type Script = (asked: AskedOfBroker, index: number) => ScriptedAnswer | Promise<ScriptedAnswer>;

export interface ScriptedBroker {
  readonly url: string;
  readonly asked: readonly AskedOfBroker[];
  close(): Promise<void>;
}

const USERNAME = 'tsuru';
const PASSWORD = 'secret';
/** What basic auth makes of the two. */
export const BASIC_AUTH = `Basic ${Buffer.from(`${USERNAME}:${PASSWORD}`).toString('base64')}`;
/** Not in the recording, either. */
const TRANSPORT_HEADERS = ['host', 'content-length'];

export async function startScriptedBroker(script: Script): Promise<ScriptedBroker> {
  const asked: AskedOfBroker[] = [];
  const server = createServer((request, response) => {
    void answer(request).then(({ status, body }) => {
      response.statusCode = status;
      response.end(status === 204 ? undefined : body);
    });
  });

  async function answer(request: IncomingMessage): Promise<ScriptedAnswer> {
    const { method = '', url: path = '' } = request;
    const text = await readText(request);
    const one = { method, path, headers: headersOf(request), body: text === '' ? null : text };
    asked.push(one);
    return script(one, asked.length - 1);
  }

  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('a server on TCP has a port');
  return {
    url: `http://127.0.0.1:${address.port}`,
    asked,
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

/** The service of such a broker, as `LocalTsuru.addService` takes it. */
export function serviceOf({ url }: ScriptedBroker, more: Partial<ServiceOptions> = {}): ServiceOptions {
  return { name: 'prometheus', endpoint: url, username: USERNAME, password: PASSWORD, ...more };
}

function headersOf({ rawHeaders }: IncomingMessage): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [i, name] of rawHeaders.entries()) {
    const isName = i % 2 === 0;
    if (!isName || TRANSPORT_HEADERS.includes(name.toLowerCase())) continue;
    headers[name] = [headers[name], rawHeaders[i + 1]].filter((value) => value !== undefined).join('\n');
  }
  return headers;
}
