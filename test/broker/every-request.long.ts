// Whichever request to Tsuru fails, and in whichever way: what was left is nothing that the same call, made again, does not bring to its end.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { systemClock } from '../../agent/shared/clock.ts';
import { expect } from '../support/instance.ts';
import { until } from '../support/until.ts';
import type { Reply } from '../tsuru/client.ts';
import { FAILURES, standBetween, type Between, type Failure } from './between.ts';
import { APP, askBroker, grantsOf, partsOf, startStage, type Stage } from './stage.ts';

const FORM = { 'content-type': 'application/x-www-form-urlencoded' };
/** More requests than any operation makes. */
const MOST_REQUESTS = 40;
/** What is begun again in the background need not be waited for; who creates is told of a deploy that is refused soon, however busy this machine is. */
const TOLD_WITHIN_MS = 3_000;
const fast = {
  ...systemClock,
  sleep: (ms: number, signal: AbortSignal) => systemClock.sleep(ms > TOLD_WITHIN_MS ? ms / 10 : ms, signal),
};

interface Operation {
  readonly what: string;
  /** What is there before. */
  readonly needs: 'nothing' | 'an instance' | 'a bind';
  readonly ask: readonly [method: string, path: string, body?: string];
  /** Fails unless all of it is there. */
  readonly assertDone: (stage: Stage) => Promise<void>;
  /** Fails unless nothing has come of it, once it was answered with an error. */
  readonly assertUndone?: (stage: Stage) => Promise<void>;
  /** What is asked for by who gives it up and wants what was before. */
  readonly back?: Pick<Operation, 'ask' | 'assertDone'>;
}

/** Two of them are the same for Tsuru. */
const PLANS = fileURLToPath(new URL('plans.yaml', import.meta.url));
const OWN = `prometheus-reader ${APP}`;
const put = (body: string, wanted: Readonly<Record<string, RegExp>>): Pick<Operation, 'ask' | 'assertDone'> => ({
  ask: ['PUT', '/resources/my-instance', body],
  async assertDone({ admin }) {
    for (const [path, pattern] of Object.entries(wanted)) assert.match((await admin.call('GET', path)).body, pattern);
  },
});
const BACK = put('team=shop&plan=small', {
  [`/1.0/apps/${APP}`]:
    /(?=.*"plan":\{"name":"c0\.5m1")(?=.*"teamowner":"shop")(?=.*"value":"small")(?=.*retention\\":\\"7d)/,
  [`/1.4/volumes/${APP}`]: /(?=.*"TeamOwner":"shop")(?=.*"sizeLimit":"256Mi")(?=.*"App":"prometheus-my-instance")/,
});
const update = (what: string, body: string, wanted: Readonly<Record<string, RegExp>>): Operation => ({
  ...{ what, needs: 'an instance', back: BACK },
  ...put(body, wanted),
});

const OPERATIONS: readonly Operation[] = [
  {
    what: 'a creation',
    needs: 'nothing',
    ask: ['POST', '/resources', 'name=my-instance&team=shop'],
    async assertDone(stage) {
      await untilUp(stage);
      assert.deepEqual(await grantsOf(stage), [OWN]);
    },
    assertUndone: async (stage) => {
      assert.deepEqual(await partsOf(stage), []);
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
  update('another plan that is the same for Tsuru', 'team=shop&plan=narrow&parameters.retention=3d', {
    [`/1.0/apps/${APP}`]: /(?=.*"plan":\{"name":"c0.5m1")(?=.*retention\\":\\"3d)(?=.*"narrow")/,
    [`/1.4/volumes/${APP}`]: /"sizeLimit":"128Mi"/,
  }),
  {
    what: 'a bind',
    needs: 'an instance',
    ask: ['POST', '/resources/my-instance/bind-app', 'app-name=my-app'],
    assertDone: async (stage) => {
      assert.deepEqual(await grantsOf(stage), ['prometheus-reader my-app', OWN]);
    },
  },
  {
    what: 'the end of a bind',
    needs: 'a bind',
    ask: ['DELETE', '/resources/my-instance/bind-app', 'app-name=my-app'],
    assertDone: async (stage) => {
      assert.deepEqual(await grantsOf(stage), [OWN]);
    },
  },
  {
    what: 'a removal',
    needs: 'an instance',
    ask: ['DELETE', '/resources/my-instance'],
    assertDone: async (stage) => {
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

describe('whichever request to Tsuru fails, and the user goes back to what was before,', { concurrency: true }, () => {
  for (const operation of OPERATIONS) {
    const { what, back } = operation;
    if (back === undefined) continue;
    for (const failure of FAILURES) {
      it(`nothing of ${what} is left (${failure})`, async () => {
        for (let after = 0; ; after += 1) {
          assert.ok(after < MOST_REQUESTS, 'it never ends');
          await using staged = await stageFor(operation);
          const { stage, between, ask } = staged;
          between.fail(after, failure);
          await ask();
          const { failed } = between;
          if (failed === undefined) break;
          const { status, body } = await ask(back);
          assert.equal(status, 200, `${failed}: ${body}`);
          await back.assertDone(stage);
        }
      });
    }
  }
});

describe('whichever change Tsuru has locked for somebody else,', { concurrency: true }, () => {
  for (const operation of OPERATIONS) {
    it(`${operation.what} waits and then succeeds`, async () => {
      const locked: string[] = [];
      for (let after = 0; ; after += 1) {
        assert.ok(after < MOST_REQUESTS, 'it never ends');
        await using staged = await stageFor(operation);
        const { stage, between, ask } = staged;
        between.fail(after, 'locked');
        const { status, body } = await ask();
        assert.ok(status < 300, `${between.failed}: ${status} ${body}`);
        await operation.assertDone(stage);
        if (between.failed === undefined) break;
        if (!between.failed.startsWith('GET ')) locked.push(between.failed);
      }
      assert.ok(locked.length > 0, 'no change was locked');
    });
  }
});

interface Staged extends AsyncDisposable {
  readonly stage: Stage;
  readonly between: Between;
  /** Has the broker behind `between` do it. */
  readonly ask: (other?: Pick<Operation, 'ask'>) => Promise<Reply>;
}

async function stageFor(operation: Operation): Promise<Staged> {
  const { needs } = operation;
  const stack = new AsyncDisposableStack();
  const environment = { BROKER_PLANS: PLANS };
  const stage = stack.use(await startStage({ clock: fast, environment, reconciles: false }));
  await stage.createApp('my-app');
  if (needs !== 'nothing') {
    await expect(stage.add(), 201);
    await untilUp(stage);
  }
  if (needs === 'a bind') await expect(stage.bind('my-app'), 200);
  const between = stack.use(await standBetween(stage.tsuru.url));
  const { url } = await stage.startBroker({ TSURU_HOST: between.url });
  return {
    ...{ stage, between },
    ask: ({ ask: [method, path, body = ''] } = operation) => askBroker(url, method, path, { body, headers: FORM }),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** False when the operation makes no more than this many requests. */
async function failsAfter(after: number, operation: Operation, failure: Failure): Promise<boolean> {
  await using staged = await stageFor(operation);
  const { stage, between, ask } = staged;
  between.fail(after, failure);
  const { status, body: told } = await ask();
  const { failed } = between;
  if (status >= 400) {
    assert.ok(failed !== undefined, told);
    assert.match(told, /^[A-Z].*\.( \(request [\w-]+\))?$/, failed);
    assert.doesNotMatch(told, /database/, failed);
    await operation.assertUndone?.(stage);
    const again = await ask();
    assert.ok(again.status < 300, `${failed}: ${again.status} ${again.body}`);
  }
  await operation.assertDone(stage);
  return failed !== undefined;
}

async function untilUp(stage: Stage): Promise<void> {
  await until(
    'the instance to be up',
    async () => (await stage.ask('GET', '/resources/my-instance/status')).status === 204,
  );
}
