// Takes each permission of the broker's role away in turn: users get one sentence that names it.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { OPTIONAL_CALLS, PERMISSIONS } from '../../broker/tsuru/permissions.ts';
import { until } from '../support/until.ts';
import { startStage, type Stage } from './stage.ts';

const NEEDED = [
  ...new Set(Object.entries(PERMISSIONS).flatMap(([call, needed]) => (OPTIONAL_CALLS.includes(call) ? [] : needed))),
].sort();

/** Of calls that no command of a user makes, or of lists that just lack what the token may not read. "broker check" names them. */
const UNSEEN = [
  ...['app.read', 'app.read.events', 'pool.read', 'service-instance.read', 'service.read', 'service.read.plans'],
  'team.token.update',
];

/** The permissions without this one, and without those that cover it; what those cover besides is there. */
function without(missing: string): readonly string[] {
  return NEEDED.filter((one) => one !== missing && !missing.startsWith(`${one}.`));
}

/** What a user reads of all operations, one after the other. */
async function readByUser(stage: Stage): Promise<string> {
  await stage.createApp('my-app');
  const read: string[] = [];
  const added = await stage.add();
  read.push(added.body);
  if (added.status < 400)
    await until('a status', async () => !(await stage.status()).includes('being deployed')).catch(() => undefined);
  read.push(await stage.status());
  for (const work of [
    () => stage.bind('my-app'),
    () => stage.update('my-instance', { 'parameters.retention': '3d' }),
    () => stage.update('my-instance', { plan: 'medium' }),
    () => stage.unbind('my-app'),
    () => stage.remove(),
  ])
    read.push((await work()).body);
  return [...read, JSON.stringify(await stage.info().catch(() => ({})))].join('\n');
}

describe('without one permission of the broker', { concurrency: 4 }, () => {
  for (const missing of NEEDED) {
    const isSeen = !UNSEEN.includes(missing);
    it(`${missing}, ${isSeen ? 'a user reads which one it is' : 'no command of a user fails'}`, async () => {
      await using stage = await startStage({ permissions: without(missing), reconciles: false });
      const read = await readByUser(stage);
      const names = [
        ...read.matchAll(
          /The service's own token lacks the permission (.+?) for the call \w+, without which it cannot .+?: tell an administrator\./g,
        ),
      ].flatMap(([, named = '']) => named.split(' or '));
      // One that covers it does as well.
      assert.equal(
        names.some((name) => missing === name || missing.startsWith(`${name}.`)),
        isSeen,
        read,
      );
      if (!isSeen) assert.doesNotMatch(read, /Failed to/);
    });
  }
});
