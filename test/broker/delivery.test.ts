// Whatever becomes of Tsuru's requests on their way to the broker, the instance is as its user wants it, at the latest after the next try.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { expect } from '../support/instance.ts';
import { until } from '../support/until.ts';
import type { Reply } from '../tsuru/client.ts';
import type { Fault } from '../tsuru/faults.ts';
import { APP, grantsOf, partsOf, startStage, type Stage } from './stage.ts';

interface Desired {
  readonly what: string;
  readonly needs: 'nothing' | 'an instance' | 'a bind';
  /** The request to the broker that Tsuru makes for it. */
  readonly request: readonly [method: string, path: string];
  /** As its user asks Tsuru; again with other words, as Tsuru refuses an update that brings nothing new. */
  readonly ask: (stage: Stage, attempt: number) => Promise<Reply>;
  readonly assertDone: (stage: Stage) => Promise<void>;
}

const OWN = `prometheus-reader ${APP}`;
const INSTANCE = '/resources/my-instance';

const CHANGES: readonly Desired[] = [
  {
    what: 'a creation',
    needs: 'nothing',
    request: ['POST', '/resources'],
    ask: (stage) => stage.add(),
    async assertDone(stage) {
      await untilUp(stage);
      assert.deepEqual(await partsOf(stage), ['app', 'volume', 'token']);
      assert.deepEqual(await grantsOf(stage), [OWN]);
    },
  },
  {
    what: 'new settings',
    needs: 'an instance',
    request: ['PUT', INSTANCE],
    ask: (stage, attempt) =>
      stage.update('my-instance', { 'parameters.retention': '3d', description: `attempt ${attempt}` }),
    async assertDone({ admin }) {
      assert.match((await admin.call('GET', `/1.0/apps/${APP}`)).body, /retention\\":\\"3d/);
    },
  },
  {
    what: 'another plan',
    needs: 'an instance',
    request: ['PUT', INSTANCE],
    ask: (stage, attempt) => stage.update('my-instance', { plan: 'medium', description: `attempt ${attempt}` }),
    async assertDone(stage) {
      await untilUp(stage);
      assert.equal((await stage.info())['In force'], 'medium (c1m4)');
      assert.match((await stage.admin.call('GET', `/1.4/volumes/${APP}`)).body, /"sizeLimit":"2000Mi"/);
    },
  },
  {
    what: 'a bind',
    needs: 'an instance',
    request: ['POST', `${INSTANCE}/bind-app`],
    ask: (stage) => stage.bind('my-app'),
    assertDone: async (stage) => {
      assert.deepEqual(await grantsOf(stage), ['prometheus-reader my-app', OWN]);
    },
  },
  {
    what: 'the end of a bind',
    needs: 'a bind',
    request: ['DELETE', `${INSTANCE}/bind-app`],
    ask: (stage) => stage.unbind('my-app'),
    assertDone: async (stage) => {
      assert.deepEqual(await grantsOf(stage), [OWN]);
    },
  },
  {
    what: 'a removal',
    needs: 'an instance',
    request: ['DELETE', INSTANCE],
    ask: (stage) => stage.remove(),
    assertDone: async (stage) => {
      assert.deepEqual(await partsOf(stage), []);
    },
  },
];

describe('a request of Tsuru’s', { concurrency: true }, () => {
  for (const desired of CHANGES) {
    const { what } = desired;

    it(`for ${what} that arrives twice does the same as once`, async () => {
      await using stage = await stageFor(desired);
      meet(stage, desired, 'repeat');
      const { status, body } = await desired.ask(stage, 1);
      assert.ok(isDone(status, body), body);
      await desired.assertDone(stage);
    });

    for (const kind of ['drop', 'cut'] as const) {
      const lost = kind === 'drop' ? 'is lost' : 'loses its answer';
      it(`for ${what} that ${lost} is reported to the user, whose retry succeeds`, async () => {
        await using stage = await stageFor(desired);
        meet(stage, desired, kind);
        const told = await desired.ask(stage, 1);
        assert.ok(!isDone(told.status, told.body), told.body);
        assert.match(told.body, /: EOF/);
        const { status, body } = await desired.ask(stage, 2);
        assert.ok(isDone(status, body), body);
        await desired.assertDone(stage);
      });
    }
  }
});

async function stageFor({ needs }: Desired): Promise<Stage> {
  const stage = await startStage();
  try {
    await stage.createApp('my-app');
    if (needs === 'nothing') return stage;
    await expect(stage.add(), 201);
    await untilUp(stage);
    if (needs === 'a bind') await expect(stage.bind('my-app'), 200);
    return stage;
  } catch (error) {
    await stage[Symbol.asyncDispose]();
    throw error;
  }
}

function meet(
  { tsuru }: Stage,
  { request: [method, path] }: Desired,
  kind: Extract<Fault['kind'], 'drop' | 'cut' | 'repeat'>,
): void {
  tsuru.faults.add({ to: 'broker', kind, method, path, times: 1 });
}

/** After the first word of a stream, an error is reported with status 200. */
function isDone(status: number, body: string): boolean {
  return status < 300 && !body.includes('"Error":');
}

function untilUp(stage: Stage): Promise<unknown> {
  return until('the instance to be up', async () => (await stage.status()).endsWith('is up'));
}
