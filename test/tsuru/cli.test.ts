import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { createClient, type Form, type Reply } from './client.ts';
import { runCommand, type Asked } from './cli-commands.ts';
import { messagesOf, tableOf, withoutTimes } from './recording.ts';
import { serviceOf, startScriptedBroker, type AskedOfBroker, type ScriptedBroker } from './scripted-broker.ts';
import { startTsuru, type LocalTsuru } from './server.ts';
import { demoApp } from './worlds.ts';

interface Recorded {
  readonly command: string;
  readonly requests: readonly string[];
  readonly output: string;
}

/** What the real client sends with a request, besides its method and path. */
interface Sent {
  readonly query?: string;
  readonly body?: Form | { readonly json: unknown };
}

const NO_PROCESS = { process: '', version: '' };
const NOTHING: Sent = {};

/** By command and request, as tsuru-client 1.x writes them; a request that is not here has no inputs. */
const SENT: Readonly<Record<string, Sent>> = {
  'tsuru app create demo-app -t shop -o dev: POST /1.0/apps': {
    body: {
      form: { name: 'demo-app', platform: '', plan: '', teamOwner: 'shop', pool: 'dev', description: '', router: '' },
    },
  },
  'tsuru app deploy -a demo-app -i shop/demo:1: POST /1.0/apps/demo-app/deploy': deployed('shop/demo:1'),
  'tsuru app deploy -a demo-app -i shop/demo:2: POST /1.0/apps/demo-app/deploy': deployed('shop/demo:2'),
  'tsuru unit add 2 -a demo-app: PUT /1.0/apps/demo-app/units': { body: { form: { units: 2, ...NO_PROCESS } } },
  'tsuru unit remove 1 -a demo-app: DELETE /1.0/apps/demo-app/units': { query: 'process=&units=1&version=' },
  'tsuru app restart -a demo-app: POST /1.0/apps/demo-app/restart': { body: { form: NO_PROCESS } },
  'tsuru app stop -a demo-app: POST /1.0/apps/demo-app/stop': { body: { form: NO_PROCESS } },
  'tsuru app start -a demo-app: POST /1.0/apps/demo-app/start': { body: { form: NO_PROCESS } },
  'tsuru app-log -a demo-app -l 5: GET /1.0/apps/demo-app/log': { query: 'lines=5' },
  'tsuru env set -a demo-app A=b --no-restart: POST /1.0/apps/demo-app/env': {
    body: {
      form: {
        ...{ 'Envs.0.Name': 'A', 'Envs.0.Value': 'b', 'Envs.0.Alias': '' },
        ...{ ManagedBy: '', NoRestart: 'true', Private: 'false', PruneUnused: 'false' },
      },
    },
  },
  'tsuru metadata set -a demo-app -t annotation prometheus.io/port=9100 --no-restart: PUT /1.0/apps/demo-app': {
    body: {
      json: {
        metadata: { annotations: [{ name: 'prometheus.io/port', value: '9100' }] },
        noRestart: true,
        planoverride: {},
      },
    },
  },
};

const recorded = JSON.parse(
  await readFile(new URL('../recorded/cli-requests.json', import.meta.url), 'utf8'),
) as Recorded[];

describe('the local Tsuru answers the real client as the recorded one did:', () => {
  let tsuru: LocalTsuru;
  let broker: ScriptedBroker;
  before(async () => {
    broker = await startScriptedBroker(answerAsRecorded);
    tsuru = await startTsuru({ images: demoApp(), units: 'recorded' });
  });
  after(async () => {
    await tsuru.close();
    await broker.close();
  });

  for (const { command, requests, output } of recorded) {
    it(command, async () => {
      const isOfService = command.startsWith('tsuru service');
      const asked = isOfService ? await askOfService(tsuru, broker, command) : await ask(tsuru, command, requests);
      assert.deepEqual(
        asked.map(({ method, path, reply }) => `${method} ${path.split('?')[0] ?? ''} -> ${reply.status}`),
        requests,
      );
      const last = asked.at(-1);
      assert.ok(last !== undefined);
      if (isStream(last.reply)) {
        const shown = messagesOf(last.reply);
        assert.ok(withoutTimes(output).includes(shown), `${shown} instead of ${output}`);
      }
    });
  }

  it('lists the plans that the client showed', async () => {
    const plans = JSON.parse((await send(tsuru, '', 'GET /1.0/plans -> 200')).body) as Record<string, unknown>[];
    const shown = plans.map(({ name, memory, cpumilli, ...plan }) => [
      name,
      `${Number(cpumilli) / 10}%`,
      Number(memory) < 2 ** 30 ? `${Number(memory) / 2 ** 20}Mi` : `${Number(memory) / 2 ** 30}Gi`,
      String(plan['default'] === true),
    ]);
    assert.deepEqual(shown.sort(), shownBy('tsuru plan list').sort());
  });

  it('lists the teams with the permissions that the client showed', async () => {
    const teams = JSON.parse((await send(tsuru, '', 'GET /1.0/teams -> 200')).body) as {
      name: string;
      permissions: string[];
    }[];
    const shown = teams.map(({ name, permissions }) => [name, permissions.sort().join()]);
    // The client names a team once, beside its first permission.
    const recordedTeams: (readonly [string, string[]])[] = [];
    for (const [name = '', permission = ''] of shownBy('tsuru team list')) {
      if (name !== '') recordedTeams.push([name, []]);
      recordedTeams.at(-1)?.[1].push(permission);
    }
    const expected = recordedTeams.map(([name, permissions]) => [name, permissions.sort().join()]);
    assert.deepEqual(shown.sort(), expected.sort());
  });
});

function shownBy(wanted: string): string[][] {
  return tableOf(recorded.find(({ command }) => command === wanted)?.output ?? '');
}

async function ask(tsuru: LocalTsuru, command: string, requests: readonly string[]): Promise<Asked[]> {
  const asked: Asked[] = [];
  for (const line of requests) {
    const [method = '', path = ''] = line.split(' ');
    asked.push({ method, path, reply: await send(tsuru, command, line) });
  }
  return asked;
}

function askOfService(tsuru: LocalTsuru, broker: ScriptedBroker, command: string): Promise<Asked[]> {
  return runCommand(createClient(tsuru.url, tsuru.adminToken), command, serviceOf(broker));
}

/** In short what the recorded broker answered. */
function answerAsRecorded({ method, path }: AskedOfBroker): { status: number; body: string } {
  if (path === '/resources/plans') return { status: 200, body: '[{"name": "small", "description": "2 GiB"}]' };
  if (path.endsWith('/status')) return { status: 204, body: '' };
  return { status: method === 'POST' ? 201 : 200, body: method === 'GET' ? '[]' : '{}' };
}

function send(tsuru: LocalTsuru, command: string, line: string): Promise<Reply> {
  const [request = ''] = line.split(' -> ');
  const [method = '', path = ''] = request.split(' ');
  const { query, body } = SENT[`${command}: ${request}`] ?? NOTHING;
  const admin = createClient(tsuru.url, tsuru.adminToken);
  return admin.call(method, query === undefined ? path : `${path}?${query}`, body);
}

function deployed(image: string): Sent {
  const form = { image, origin: 'image', message: '', 'new-version': 'false', 'override-versions': 'false' };
  return { body: { form } };
}

function isStream({ contentType, body }: Reply): boolean {
  return contentType === 'text' || (contentType === 'application/x-json-stream' && body.startsWith('{"Message"'));
}
