import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { expect } from '../support/instance.ts';
import { runCommand, shownError, shownInfo, type Asked } from './cli-commands.ts';
import { createApp, createClient } from './client.ts';
import { messagesOf, tableOf, withoutTimes } from './recording.ts';
import {
  BASIC_AUTH,
  serviceOf,
  startScriptedBroker,
  type AskedOfBroker,
  type ScriptedBroker,
} from './scripted-broker.ts';
import { startTsuru, type LocalTsuru } from './server.ts';
import { listedOnly } from './worlds.ts';

interface Recorded {
  readonly while: string;
  readonly request: AskedOfBroker;
  readonly answered: { readonly status: number; readonly body: string };
}

interface Command {
  readonly title: string;
  readonly command: string;
  readonly output: string;
}

/** The webhook among them has a test of its own. */
const recorded = (await read<Recorded[]>('service-api.json')).filter(({ request }) => request.path !== '/events');
const commands = await read<Command[]>('cli.json');
/** Where the recorded client found Tsuru. */
const RECORDED_URL = 'http://127.0.0.1:8080';

describe('the broker is asked, and the user shown, what was recorded:', () => {
  let tsuru: LocalTsuru;
  let broker: ScriptedBroker;
  before(async () => {
    broker = await startScriptedBroker((_asked, i) => recorded[i]?.answered ?? { status: 599, body: 'not recorded' });
    tsuru = await startTsuru({ images: listedOnly(), units: 'recorded' });
    const admin = createClient(tsuru.url, tsuru.adminToken);
    await createApp(admin, 'my-app', 'shop/my-app:1');
    await createApp(admin, 'two-processes', 'shop/worker:1');
    await expect(admin.call('POST', '/1.0/apps/two-processes/stop', { form: {} }), 200);
  });
  after(async () => {
    await tsuru.close();
    await broker.close();
  });

  for (const { title, command, output } of commands) {
    it(`${title}: ${command}`, async () => {
      const admin = createClient(tsuru.url, tsuru.adminToken);
      const { endpoint, username, password } = serviceOf(broker);
      if (title === 'json: create') {
        const form = { endpoint, username, password, encoding: 'json' };
        await expect(admin.call('PUT', '/1.0/services/prometheus', { form }), 200);
      }
      const first = broker.asked.length;
      const asked = await runCommand(admin, command, serviceOf(broker));
      const seen = broker.asked.slice(first);
      const wanted = recorded.slice(first, broker.asked.length);
      assert.deepEqual(
        seen.map(anonymous),
        wanted.map(({ request }) => anonymous(request)),
      );
      assert.deepEqual([...new Set(wanted.map((one) => one.while))], seen.length === 0 ? [] : [command]);
      assertShown(command, asked, output);
    });
  }

  it('and nothing of it is left out', () => {
    assert.equal(broker.asked.length, recorded.length);
  });
});

/** Ids of events differ from run to run, but header and body name the same one; the recording hides the password. */
function anonymous({ method, path, headers, body }: AskedOfBroker): AskedOfBroker {
  const id = headers['X-Tsuru-Eventid'];
  const hidden = { ...headers, Authorization: headers['Authorization']?.replace(BASIC_AUTH, 'Basic ...') ?? '' };
  if (id === undefined) return { method, path, headers: hidden, body };
  assert.match(id, /^[0-9a-f]{24}$/);
  return {
    method,
    path,
    headers: { ...hidden, 'X-Tsuru-Eventid': '<id>' },
    body: body === null ? null : inOrder(body.replaceAll(id, '<id>')),
  };
}

/** Tsuru sorts no list: the tags that the client read and sent again are in any order. */
function inOrder(body: string): string {
  if (!body.startsWith('{')) return body.split('&').sort().join('&');
  return JSON.stringify(JSON.parse(body), (_, value: unknown) => (Array.isArray(value) ? value.toSorted() : value));
}

function assertShown(command: string, asked: readonly Asked[], output: string): void {
  const [first, last] = [asked[0], asked.at(-1)];
  assert.ok(first !== undefined && last !== undefined);
  if (output.startsWith('Error: ')) {
    assert.equal(shownError(last, RECORDED_URL), output);
    return;
  }
  assert.ok(last.reply.status < 300, last.reply.body);
  if (/service.instance.info/.test(command)) {
    const [service = '', instance = ''] = command.split(' ').slice(-2);
    assert.deepEqual(shownInfo(service, instance, first.reply, last.reply), linesOf(output));
  } else if (command === 'tsuru service plan list prometheus') {
    assert.deepEqual(tableOf(output).sort(), plansOf(last).sort());
  } else if (command === 'tsuru service-info prometheus') {
    const [instances = '', plans = ''] = output.split('\n\nPlans\n');
    assert.deepEqual(tableOf(instances), instancesOf(first));
    assert.deepEqual(tableOf(plans), plansOf(asked[1] ?? last).sort());
  } else if (output.startsWith('<time>')) {
    assert.equal(messagesOf(last.reply), withoutTimes(output));
  }
}

function plansOf({ reply }: Asked): string[][] {
  const plans = JSON.parse(reply.body) as { Name: string; Description: string }[];
  return plans.map(({ Name, Description }) => [Name, Description]);
}

/** The client sorts them, and shows each label of the brokers' info as a column. */
function instancesOf({ reply }: Asked): string[][] {
  const instances = JSON.parse(reply.body) as {
    Name: string;
    PlanName: string;
    Apps: string[];
    Jobs: string[];
    Info: Record<string, string>;
  }[];
  return instances
    .map(({ Name, PlanName, Apps, Jobs, Info }) => [Name, PlanName, Apps.join(), Jobs.join(), ...Object.values(Info)])
    .sort();
}

function linesOf(output: string): string[] {
  return output
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.replace(/ +/g, ' '));
}

async function read<T>(name: string): Promise<T> {
  return JSON.parse(await readFile(new URL(`../recorded/${name}`, import.meta.url), 'utf8')) as T;
}
