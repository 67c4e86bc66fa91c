// Whichever request to Tsuru fails, and in whichever way: what was left is nothing that the same call, made again, does not bring to its end.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { systemClock } from '../../broker/clock.ts';
import { expect } from '../support/instance.ts';
import { until } from '../support/until.ts';
import type { Reply } from '../tsuru/client.ts';
import { FAILURES, standBetween, type Failure } from './between.ts';
import { APP, askBroker, grantsOf, partsOf, startStage, type Stage } from './stage.ts';

const FORM = { 'content-type': 'application/x-www-form-urlencoded' };
/** More requests than any operation makes. */
const MOST_REQUESTS = 40;
/** What is begun again in the background need not be waited for. */
const fast = { ...systemClock, sleep: (ms: number, signal: AbortSignal) => systemClock.sleep(ms / 10, signal) };

interface Operation {
  readonly what: string;
  readonly needsInstance: boolean;
  readonly ask: readonly [method: string, path: string, body?: string];
  /** Fails unless all of it is there. */
  readonly demandDone: (stage: Stage) => Promise<void>;
}

const OWN = `prometheus-reader ${APP}`;
const update = (what: string, body: string, wanted: Readonly<Record<string, RegExp>>): Operation => ({
  what,
  needsInstance: true,
  ask: ['PUT', '/resources/my-instance', body],
  async demandDone({ admin }) {
    for (const [path, pattern] of Object.entries(wanted)) assert.match((await admin.call('GET', path)).body, pattern);
  },
});

const OPERATIONS: readonly Operation[] = [
  {
    what: 'a creation',
    needsInstance: false,
    ask: ['POST', '/resources', 'name=my-instance&team=shop'],
    async demandDone(stage) {
      await untilUp(stage);
      assert.deepEqual(await grantsOf(stage), [OWN]);
    },
  },
  update('new settings', 'team=shop&plan=small&parameters.retention=3d', {
    [`/1.0/apps/${APP}`]: /retention\\":\\"3d/,
  }),
  update('another team', 'team=ops&plan=small', {
    [`/1.0/apps/${APP}`]: /"teamowner":"ops"/,
    [`/1.4/volumes/${APP}`]: /"TeamOwner":"ops"/,
  }),
  update('another plan, team and settings', 'team=ops&plan=medium&parameters.retention=3d', {
    [`/1.0/apps/${APP}`]: /(?=.*"plan":\{"name":"c1m4")(?=.*"teamowner":"ops")(?=.*retention\\":\\"3d)(?=.*"medium")/,
    [`/1.4/volumes/${APP}`]: /(?=.*"TeamOwner":"ops")(?=.*"sizeLimit":"1000Mi")/,
  }),
  {
    what: 'a bind',
    needsInstance: true,
    ask: ['POST', '/resources/my-instance/bind-app', 'app-name=my-app'],
    demandDone: async (stage) => {
      assert.deepEqual(await grantsOf(stage), [OWN, 'prometheus-reader my-app']);
    },
  },
  {
    what: 'a removal',
    needsInstance: true,
    ask: ['DELETE', '/resources/my-instance'],
    demandDone: async (stage) => {
      assert.deepEqual(await partsOf(stage), []);
    },
  },
];

describe('whichever request to Tsuru fails,', { concurrency: true }, () => {
  for (const operation of OPERATIONS) {
    for (const failure of FAILURES) {
      it(`${operation.what} is finished when it is asked for again (${failure})`, async () => {
        let after = 0;
        while (await failsAfter(after, operation, failure)) {
          after += 1;
          assert.ok(after < MOST_REQUESTS, 'it never ends');
        }
        assert.ok(after > 1, 'nothing was asked of Tsuru');
      });
    }
  }
});

/** False when the operation makes no more than so many requests. */
async function failsAfter(after: number, operation: Operation, failure: Failure): Promise<boolean> {
  const {
    needsInstance,
    ask: [method, path, body = ''],
    demandDone,
  } = operation;
  await using stage = await startStage({ clock: fast });
  await stage.createApp('my-app');
  if (needsInstance) {
    await expect(stage.add(), 201);
    await untilUp(stage);
  }
  await using between = await standBetween(stage.tsuru.url);
  const { url } = await stage.startBroker({ TSURU_HOST: between.url });
  const ask = (): Promise<Reply> => askBroker(url, method, path, { body, headers: FORM });

  between.fail(after, failure);
  const { status, body: told } = await ask();
  const { failed } = between;
  if (status >= 400) {
    assert.ok(failed !== undefined, told);
    assert.match(told, /^[A-Z].*\.( \(request [\w-]+\))?$/, failed);
    assert.doesNotMatch(told, /database/, failed);
    const again = await ask();
    assert.ok(again.status < 300, `${failed}: ${again.status} ${again.body}`);
  }
  await demandDone(stage);
  return failed !== undefined;
}

async function untilUp(stage: Stage): Promise<void> {
  await until(
    'the instance to be up',
    async () => (await stage.ask('GET', '/resources/my-instance/status')).status === 204,
  );
}
