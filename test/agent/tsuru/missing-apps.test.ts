import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { confirmMissing, type MissingState, type Verdict } from '../../../agent/tsuru/missing-apps.ts';
import { TsuruError } from '../../../agent/shared/tsuru.ts';

interface Tsuru {
  /** The apps that the token may read; undefined: Tsuru fails. */
  granted?: readonly string[] | undefined;
  /** What happens when an app is asked for; without it, it is there. */
  app?: (name: string) => unknown;
}

interface Scene {
  readonly tsuru: Tsuru;
  readonly states: Map<string, MissingState>;
  /** The apps that were asked for. */
  readonly asked: string[];
  /** How often the permissions were asked for. */
  readonly permissionCalls: () => number;
  readonly at: (nowMs: number) => void;
  readonly confirm: (...names: string[]) => Promise<ReadonlyMap<string, Verdict>>;
}

function start(tsuru: Tsuru): Scene {
  let nowMs = 0;
  let permissionCalls = 0;
  const asked: string[] = [];
  const states = new Map<string, MissingState>();
  const bodyOf = (path: string): unknown => {
    if (path === '/1.0/users/info') {
      permissionCalls += 1;
      if (tsuru.granted === undefined) throw new Error('Tsuru is down');
      return {
        Permissions: tsuru.granted.map((name) => ({
          Name: 'app.read.info',
          ContextType: 'app',
          ContextValue: name,
        })),
      };
    }
    const name = path.split('/').at(-1) ?? '';
    asked.push(name);
    return tsuru.app?.(name) ?? { name };
  };
  const client = {
    async get(_call: string, path: string) {
      await Promise.resolve();
      return { status: 200, requestId: '', chunks: [Buffer.from(JSON.stringify(bodyOf(path)))] };
    },
    close: () => Promise.resolve(),
  };
  return {
    tsuru,
    states,
    asked,
    permissionCalls: () => permissionCalls,
    at(ms) {
      nowMs = ms;
    },
    confirm: (...names) => confirmMissing(names, states, client, () => nowMs, new AbortController().signal),
  };
}

function notFound(message: string): () => never {
  return () => {
    throw new TsuruError('not_found', message, { requestId: '' });
  };
}

describe('an app that is missing from the list', () => {
  it('is asked about only when there is one', async () => {
    const { confirm, permissionCalls } = start({ granted: [] });
    assert.equal((await confirm()).size, 0);
    assert.equal(permissionCalls(), 0);
  });

  it('is unbound when the grant is gone, without asking for the app', async () => {
    const { confirm, asked } = start({ granted: ['other'] });
    assert.equal((await confirm('my-app')).get('my-app')?.kind, 'unbound');
    assert.deepEqual(asked, []);
  });

  it('is removed when Tsuru says that there is no such app', async () => {
    const { confirm, states } = start({ granted: ['my-app'], app: notFound('App my-app not found.') });
    assert.equal((await confirm('my-app')).get('my-app')?.kind, 'removed');
    assert.equal(states.size, 0);
  });

  for (const [why, tsuru] of [
    ['the permissions cannot be read', {}],
    ['it is there', { granted: ['my-app'] }],
    ["a proxy answers 404 in Tsuru's place", { granted: ['my-app'], app: notFound('<html>404</html>') }],
    [
      'asking for it fails',
      {
        granted: ['my-app'],
        app: () => {
          throw new TsuruError('server_error', 'status 500', { requestId: '' });
        },
      },
    ],
  ] satisfies readonly (readonly [string, Tsuru])[]) {
    it(`is kept when ${why}, as unknown is not gone`, async () => {
      const verdict = (await start(tsuru).confirm('my-app')).get('my-app');
      assert.equal(verdict?.kind, 'kept');
    });
  }

  it('is asked for again after 30 s, then after twice that, and keeps its reason in between', async () => {
    const { confirm, asked, at } = start({ granted: ['my-app'] });
    const first = await confirm('my-app');
    at(29_999);
    assert.deepEqual(await confirm('my-app'), first);
    assert.equal(asked.length, 1);
    at(30_000);
    await confirm('my-app');
    assert.equal(asked.length, 2);
    at(89_999);
    await confirm('my-app');
    assert.equal(asked.length, 2);
    at(90_000);
    await confirm('my-app');
    assert.equal(asked.length, 3);
  });

  it('waits at most ten minutes, however often it was asked for', async () => {
    const { confirm, states, at } = start({ granted: ['my-app'] });
    states.set('my-app', { tries: 40, notBeforeMs: 0, reason: '' });
    at(1_000);
    await confirm('my-app');
    assert.equal(states.get('my-app')?.notBeforeMs, 601_000);
  });

  it('is unbound at once when its grant goes, also while it is not asked for', async () => {
    const { confirm, tsuru } = start({ granted: ['my-app'] });
    await confirm('my-app');
    tsuru.granted = [];
    assert.equal((await confirm('my-app')).get('my-app')?.kind, 'unbound');
  });

  it('starts with the shortest wait again once it was back in the list', async () => {
    const { confirm, states, asked } = start({ granted: ['my-app', 'other'] });
    await confirm('my-app', 'other');
    await confirm('other');
    assert.deepEqual([...states.keys()], ['other']);
    await confirm('my-app', 'other');
    assert.deepEqual(asked, ['my-app', 'other', 'my-app']);
    assert.equal(states.get('my-app')?.tries, 1);
  });

  it('is kept and asked for in a later poll when the others took too long', async () => {
    const names = ['a', 'b', 'c', 'd', 'e'];
    const scene = start({
      granted: names,
      app() {
        scene.at(30_000);
      },
    });
    const verdicts = await scene.confirm(...names);
    assert.ok(!scene.asked.includes('e'));
    assert.equal(verdicts.get('e')?.kind, 'kept');
    await scene.confirm(...names);
    assert.ok(scene.asked.includes('e'), 'it has no wait of its own');
  });
});
