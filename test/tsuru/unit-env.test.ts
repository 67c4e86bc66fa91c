import assert from 'node:assert/strict';
import { it } from 'node:test';
import { until } from '../support/until.ts';
import { createApp, type Client } from './client.ts';
import type { Command, Image } from './images.ts';
import { withTsuru } from './worlds.ts';

const PRINT_ENV = 'env; echo "user $(id -u) $(id -g)"; echo "end"; exec sleep 600';

it("the local Tsuru gives a process its app's variables and Tsuru's own", async () => {
  await withTsuru({ images: () => imageThatTells({}) }, async (tsuru, admin) => {
    await admin.call('POST', '/1.0/apps', { json: { name: 'my-app', teamOwner: 'shop', pool: 'dev' } });
    const Envs = [{ Name: 'COLOUR', Value: 'red' }];
    await admin.call('POST', '/1.0/apps/my-app/env', { json: { Envs, NoRestart: true } });
    await admin.call('POST', '/1.0/apps/my-app/deploy', { form: { image: 'x:1', origin: 'image' } });
    const said = await told(admin);
    for (const line of [
      ...[
        'COLOUR=red',
        `TSURU_HOST=${tsuru.url}`,
        'TSURU_APPNAME=my-app',
        'TSURU_PROCESSNAME=web',
        'TSURU_APPVERSION=1',
      ],
      ...['TSURU_SERVICES={}', 'TSURU_APPDIR=/home/application/current', 'PORT=8888', 'TSURU_LOCAL_PORT=8888'],
    ]) {
      assert.ok(said.includes(line), line);
    }
  });
});

it('the local Tsuru tells a process no PORT when its image EXPOSEs another one only', async () => {
  await withTsuru({ images: () => imageThatTells({ exposes: 9100 }) }, async (_tsuru, admin) => {
    await createApp(admin, 'my-app', 'x:1');
    const said = await told(admin);
    assert.deepEqual(
      said.filter((line) => /^(TSURU_LOCAL_)?PORT=/.test(line)),
      ['TSURU_LOCAL_PORT=9100'],
    );
  });
});

it('the local Tsuru starts a process as in a pod when asked to: by a login shell, and as user 1000 and group 0 where it may', async () => {
  for (const [gid, group] of [
    [{}, 0],
    // The image's passwd has an entry for user 1000.
    [{ gid: 1234 }, 1234],
  ] as const) {
    await withTsuru({ images: () => imageThatTells({}, { asInPod: true, ...gid }) }, async (_tsuru, admin) => {
      await createApp(admin, 'my-app', 'x:1');
      const said = await told(admin);
      const isRoot = process.getuid?.() === 0;
      const user = isRoot ? `1000 ${group}` : `${process.getuid?.()} ${process.getgid?.()}`;
      assert.ok(said.includes(`user ${user}`));
      assert.ok(said.includes('TSURU_APPNAME=my-app'));
    });
  }
});

function imageThatTells(more: Partial<Image>, start: Partial<Command> = {}): Image {
  return { ...more, processes: { web: { argv: ['/bin/sh', '-c', PRINT_ENV], ...start } } };
}

/** What the process of my-app has printed, line by line. */
function told(admin: Client): Promise<string[]> {
  return until('the last word of a unit', async () => {
    const { body } = await admin.call('GET', '/1.0/apps/my-app/log?lines=1000&source=web');
    const lines = (JSON.parse(body) as { Message: string }[]).map(({ Message }) => Message);
    return lines.includes('end') && lines;
  });
}
