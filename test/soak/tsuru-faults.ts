import type { Fault } from '../tsuru/faults.ts';
import type { SoakFault } from './fault.ts';
import type { Random } from './random.ts';
import type { Scene } from './scene.ts';
import { anApp } from './step.ts';

/** Only what the agent asks, so that steps go on meanwhile. */
const GET = { method: 'GET' } as const;
const LIST = '/apps';
/** All that the agent asks for, or a part. */
const PATHS = ['*', '*', LIST, '/apps/*', '/users/info'];

/** What is no list of apps, nor an app. */
const GARBAGE = [
  '',
  'null',
  '7',
  '"apps"',
  '{}',
  '{"apps":[]}',
  '[7]',
  '<html>maintenance</html>',
  '[{"name":"shop-1","units":[7]},{"name":"shop-2","units":{}}]',
  '[{"name":"shop-1"',
];

function told(kind: string, weight: number, draw: (scene: Scene, random: Random) => Fault | undefined): SoakFault {
  return {
    kind,
    weight,
    begin(scene, random) {
      const fault = draw(scene, random);
      if (fault === undefined) return Promise.resolve(undefined);
      const remove = scene.stage.world.tsuru.faults.add(fault);
      return Promise.resolve({
        text: JSON.stringify(fault),
        end: () => {
          remove();
          return Promise.resolve();
        },
      });
    },
  };
}

/** How Tsuru can fail; all of these keep every target. */
export const TSURU_FAULTS: readonly SoakFault[] = [
  told('units unknown', 3, () => ({ ...GET, kind: 'units-unknown' })),
  told('units of one app unknown', 3, (scene, random) => {
    const app = anApp(scene, random);
    return app === undefined ? undefined : { ...GET, kind: 'units-unknown', app };
  }),
  told('status', 4, (_, random) => ({
    ...GET,
    kind: 'status',
    status: random.pick([500, 502, 503, 401, 403, 302]),
    path: random.pick(PATHS),
  })),
  told('latency', 2, (_, random) => ({ ...GET, kind: 'latency', ms: random.int(100, 2_500) })),
  told('cut', 2, (_, random) => ({ ...GET, kind: 'cut', path: random.pick(PATHS) })),
  told('garbage', 3, (_, random) => ({
    ...GET,
    kind: 'body',
    body: random.pick(GARBAGE),
    path: random.pick(PATHS),
  })),
  told('empty list', 2, (_, random) =>
    random.chance(0.5)
      ? { ...GET, kind: 'status', status: 204, path: LIST }
      : { ...GET, kind: 'body', body: '[]', path: LIST },
  ),
  told('app missing', 2, (scene, random) => {
    const app = anApp(scene, random);
    return app === undefined ? undefined : { ...GET, kind: 'app-missing', app };
  }),
  {
    kind: 'tsuru down',
    weight: 2,
    async begin(scene) {
      const { tsuru } = scene.stage.world;
      const { promise, resolve } = Promise.withResolvers<undefined>();
      scene.tsuruListens = promise;
      await scene.stepEnded;
      await tsuru.stopListening();
      return {
        text: 'nobody listens',
        async end() {
          await tsuru.listenAgain();
          resolve(undefined);
        },
      };
    },
  },
];
