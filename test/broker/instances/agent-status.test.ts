import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener } from 'node:http';
import { describe, it } from 'node:test';
import { LEFT_OUT_REASONS } from '../../../agent/shared/status.ts';
import { askAgent, type AgentAnswer, type AgentStatus } from '../../../broker/instances/agent-status.ts';
import { addressOf } from '../../../broker/instances/parts/instance.ts';
import { readApp } from '../../../broker/tsuru/app.ts';
import { freeAddress } from '../../support/address.ts';

const CREDENTIALS = { username: 'prometheus', password: 'pass:wörd' };
const NEVER = new AbortController().signal;
const MIB = 1024 ** 2;
const LARGEST = 16 * MIB;
/** Time for what an agent says before it hangs to arrive. */
const HANGS_MS = 50;
const NOTHING: AgentStatus = {
  ready: false,
  token: '',
  problems: [],
  sync: {},
  versions: { agent: '', prometheus: '' },
  storage: { used: undefined, size: undefined },
  apps: [],
};

interface Agent extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  /** What it was asked, in order. */
  readonly asked: readonly Pick<IncomingMessage, 'method' | 'url' | 'headers'>[];
}

async function startAgent(answer: RequestListener, host = '127.0.0.1'): Promise<Agent> {
  const asked: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    asked.push(request);
    answer(request, response);
  });
  server.listen(0, host);
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('a server on TCP has a port');
  const { port } = address;
  return {
    ...{ url: `http://${host}:${port}`, port, asked },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

/** An agent that answers with this text. */
function saying(body: string, status = 200, headers: Readonly<Record<string, string>> = {}): RequestListener {
  return (_request, response) => void response.writeHead(status, { ...headers }).end(body);
}

/** What the broker makes of a status. */
async function readBack(status: unknown): Promise<AgentAnswer> {
  await using agent = await startAgent(saying(JSON.stringify(status)));
  return await askAgent({ address: agent.url, credentials: CREDENTIALS }, NEVER);
}

describe('an agent', () => {
  it('is asked for its status once, with user and password', async () => {
    await using agent = await startAgent(saying('{"ready": true}'));
    for (const address of [agent.url, `${agent.url}/`, `${agent.url}//`]) {
      assert.deepEqual(await askAgent({ address, credentials: CREDENTIALS }, NEVER), {
        kind: 'answered',
        status: { ...NOTHING, ready: true },
      });
      const authorization = `Basic ${Buffer.from('prometheus:pass:wörd').toString('base64')}`;
      const { method, url, headers } = agent.asked.at(-1) ?? {};
      assert.deepEqual([method, url, headers?.authorization], ['GET', '/tsuru/status', authorization]);
    }
    assert.equal(agent.asked.length, 3);
  });

  for (const status of [401, 403]) {
    it(`that answers ${status} has refused`, async () => {
      await using agent = await startAgent(saying('{"ready": true}', status, { 'www-authenticate': 'Basic' }));
      assert.deepEqual(await askAgent({ address: agent.url, credentials: CREDENTIALS }, NEVER), { kind: 'refused' });
      assert.equal(agent.asked.length, 1);
    });
  }

  for (const status of [204, 400, 404, 500, 502, 503]) {
    it(`that answers ${status} is silent, and the reason says so`, async () => {
      await using agent = await startAgent(saying(status === 204 ? '' : '{"ready": true}', status));
      const reason = `it answers ${status}`;
      assert.deepEqual(await askAgent({ address: agent.url, credentials: CREDENTIALS }, NEVER), {
        kind: 'silent',
        reason,
      });
    });
  }

  for (const status of [301, 302, 303, 307, 308]) {
    it(`that answers ${status} is silent, and where it leads to is not asked`, async () => {
      await using elsewhere = await startAgent(saying('{"ready": true}'));
      await using agent = await startAgent(saying('', status, { location: `${elsewhere.url}/tsuru/status` }));
      const reason = `it answers ${status}`;
      assert.deepEqual(await askAgent({ address: agent.url, credentials: CREDENTIALS }, NEVER), {
        kind: 'silent',
        reason,
      });
      assert.deepEqual([agent.asked.length, elsewhere.asked.length], [1, 0]);
    });
  }

  it('that is not there is silent, with the reason', async () => {
    const answer = await askAgent({ address: `http://${freeAddress()}:8888`, credentials: CREDENTIALS }, NEVER);
    assert.ok(answer.kind === 'silent' && answer.reason.includes('ECONNREFUSED'), JSON.stringify(answer));
  });

  it('that breaks off its answer is silent', async () => {
    await using agent = await startAgent((_request, response) => {
      response.writeHead(200, { 'content-length': '100' }).write('{"ready": true}', () => response.destroy());
    });
    assert.equal((await askAgent({ address: agent.url, credentials: CREDENTIALS }, NEVER)).kind, 'silent');
  });

  it('may answer up to 16 MiB', async () => {
    await using agent = await startAgent(saying('{"ready": true}'.padEnd(LARGEST)));
    assert.equal((await askAgent({ address: agent.url, credentials: CREDENTIALS }, NEVER)).kind, 'answered');
  });

  it('that answers more than 16 MiB is given up', async () => {
    await using agent = await startAgent(saying('{"ready": true}'.padEnd(LARGEST + 1)));
    const reason = 'its answer is too large';
    assert.deepEqual(await askAgent({ address: agent.url, credentials: CREDENTIALS }, NEVER), {
      kind: 'silent',
      reason,
    });
  });

  it('that never ends is given up, and hung up on', async () => {
    const piece = ' '.repeat(MIB);
    const over = Promise.withResolvers<undefined>();
    await using agent = await startAgent((_request, response) => {
      const more = (): void => {
        if (!response.destroyed) response.write(piece, () => setImmediate(more));
      };
      response.on('close', () => {
        over.resolve(undefined);
      });
      more();
    });
    const reason = 'its answer is too large';
    assert.deepEqual(await askAgent({ address: agent.url, credentials: CREDENTIALS }, NEVER), {
      kind: 'silent',
      reason,
    });
    await over.promise;
  });

  for (const [what, answer] of [
    ['before it answers', () => undefined],
    [
      'after its headers',
      (_request, response) => {
        response.writeHead(200).flushHeaders();
      },
    ],
    ['in the middle of its answer', (_request, response) => void response.writeHead(200).write('{"ready"')],
    ['in the middle of a refusal', (_request, response) => void response.writeHead(401).write('no')],
  ] as readonly (readonly [string, RequestListener])[]) {
    it(`that hangs ${what} is silent as soon as the time is over`, async () => {
      const time = new AbortController();
      await using agent = await startAgent((request, response) => {
        answer(request, response);
        setTimeout(() => {
          time.abort();
        }, HANGS_MS);
      });
      const reason = 'not in time';
      assert.deepEqual(await askAgent({ address: agent.url, credentials: CREDENTIALS }, time.signal), {
        kind: 'silent',
        reason,
      });
      assert.equal(agent.asked.length, 1);
    });
  }

  it('is not asked once the time is over', async () => {
    await using agent = await startAgent(saying('{}'));
    const reason = 'not in time';
    assert.deepEqual(await askAgent({ address: agent.url, credentials: CREDENTIALS }, AbortSignal.abort()), {
      kind: 'silent',
      reason,
    });
    assert.equal(agent.asked.length, 0);
  });
});

describe('the status of an agent', () => {
  for (const [what, status] of [
    ['has nothing in it', {}],
    ['has null for every list', { ready: null, problems: null, sync: null, apps: null }],
    ['has a null problem of the synchronisation', { sync: { problem: null } }],
  ] as const) {
    it(`may be one that ${what}`, async () => {
      assert.deepEqual(await readBack(status), { kind: 'answered', status: NOTHING });
    });
  }

  it('may have null lists in an app, and null texts in a unit', async () => {
    const answer = await readBack({
      apps: [
        { name: 'a', units: null, problems: null, unknown: null },
        { name: 'b', units: [{ unit: null, leftOut: null, reason: null, health: null, lastError: null }] },
      ],
    });
    const apps = [
      { name: 'a', units: [], problems: [] },
      { name: 'b', units: [{ unit: '' }], problems: [] },
    ];
    assert.deepEqual(answer, { kind: 'answered', status: { ...NOTHING, apps } });
  });

  it('may have keys of a later version, which are ignored', async () => {
    const unit = { unit: 'u1', health: 'down', lastError: 'refused', labels: { a: [1] }, version: 3 };
    const answer = await readBack({
      ...{ ready: true, problems: ['one'], newest: [{}], version: 7, prometheus: { ready: 'no' } },
      sync: { problem: 'no reload', inSync: 'later', since: null },
      apps: [{ name: 'a', units: [unit], unknown: { reason: 'timeout' }, problems: ['two'], pages: null }],
    });
    const read = { unit: 'u1', health: 'down', lastError: 'refused' };
    assert.deepEqual(answer, {
      kind: 'answered',
      status: {
        ...{ ...NOTHING, ready: true, problems: ['one'], sync: { problem: 'no reload' } },
        apps: [{ name: 'a', units: [read], unknown: { reason: 'timeout', since: '' }, problems: ['two'] }],
      },
    });
  });

  it('may name a health of a later version, which counts as unknown', async () => {
    const answer = await readBack({ apps: [{ name: 'a', units: [{ unit: 'u1', health: 'so-so' }] }] });
    const [app] = answer.kind === 'answered' ? answer.status.apps : [];
    assert.deepEqual(app?.units, [{ unit: 'u1' }]);
  });

  for (const reason of LEFT_OUT_REASONS) {
    it(`describes a unit left out for "${reason}" as the agent does`, async () => {
      const unit = { unit: 'u1', leftOut: 'so be it', reason };
      const answer = await readBack({ apps: [{ name: 'a', units: [unit] }] });
      const [app] = answer.kind === 'answered' ? answer.status.apps : [];
      assert.deepEqual(app?.units, [unit]);
    });
  }

  for (const reason of ['a_later_one', 'toString', '']) {
    it(`has no reason for a unit left out for "${reason}", which this broker does not know`, async () => {
      const answer = await readBack({ apps: [{ name: 'a', units: [{ unit: 'u1', leftOut: 'so be it', reason }] }] });
      const [app] = answer.kind === 'answered' ? answer.status.apps : [];
      assert.deepEqual(app?.units, [{ unit: 'u1', leftOut: 'so be it' }]);
    });
  }

  for (const [what, body, reason] of [
    ['no JSON', 'so sorry', 'it is not JSON: it starts with "so sorry"'],
    ['nothing', '', 'it is empty'],
    ['a list', '[]', 'the status is a list, not an object'],
    ['null', 'null', 'the status is null, not an object'],
    ['apps that are no list', '{"apps": {}}', 'apps is an object, not a list'],
    ['an app that is none', '{"apps": [3]}', 'an app is a number, not an object'],
    ['a unit that is none', '{"apps": [{"units": [null]}]}', 'a unit is null, not an object'],
    ['a problem that is no text', '{"problems": [3]}', 'a text is a number, not a string'],
  ] as const) {
    it(`that is ${what} makes the agent silent, with the reason`, async () => {
      await using agent = await startAgent(saying(body));
      assert.deepEqual(await askAgent({ address: agent.url, credentials: CREDENTIALS }, NEVER), {
        kind: 'silent',
        reason,
      });
    });
  }
});

describe('a unit with an IPv6 address', () => {
  const unit = { Name: 'u1', ProcessName: 'web', Status: 'started', Ready: true };

  it('has it in brackets in the address of its instance', () => {
    for (const [ip, wanted] of [
      ['::1', 'http://[::1]:8888'],
      ['fd00:10:244::1f', 'http://[fd00:10:244::1f]:8888'],
      ['10.0.0.1', 'http://10.0.0.1:8888'],
    ] as const) {
      const app = readApp({ name: 'prometheus-x', units: [{ ...unit, InternalIP: ip }] });
      assert.equal(addressOf('http://{unit}', app), wanted);
    }
  });

  it('is asked there', async (t) => {
    await using agent = await startAgent(saying('{"ready": true}'), '::1').catch(() => undefined);
    if (agent === undefined) {
      t.skip('this machine has no IPv6');
      return;
    }
    // An older provisioner's, for the port: that of an instance may be taken here.
    const app = readApp({ name: 'prometheus-x', units: [{ ...unit, Address: { Host: `[::1]:${agent.port}` } }] });
    const address = addressOf('http://{unit}', app);
    assert.equal(address, `http://[::1]:${agent.port}`);
    assert.equal((await askAgent({ address, credentials: CREDENTIALS }, NEVER)).kind, 'answered');
    assert.equal(agent.asked.length, 1);
  });
});
