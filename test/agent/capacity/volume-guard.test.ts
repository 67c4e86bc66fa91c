import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { pino } from 'pino';
import { readHeadBytes } from '../../../agent/storage/data-folder.ts';
import { createGuard } from '../../../agent/capacity/volume-guard.ts';
import { createTroubles } from '../../../agent/system/troubles.ts';
import { temporaryFolder } from '../../support/folder.ts';

const MIB = 2 ** 20;

describe('the guard of the volume', () => {
  it('reports a full volume once, with the apps affected, and its end', async () => {
    await using folder = await temporaryFolder();
    let usedMib = 50;
    let nowMs = 0;
    let broken = false;
    const lines: string[] = [];
    const log = pino({}, { write: (line: string) => lines.push((JSON.parse(line) as { msg: string }).msg) });
    const troubles = createTroubles(log, () => nowMs);
    const told: string[] = [];
    const guard = createGuard({
      folder: folder.path,
      retentionSizeBytes: () => 36 * MIB,
      onChange: ({ retentionSizeBytes, factor }) => told.push(`${retentionSizeBytes / MIB} MiB, ${factor}`),
      troubles,
      clock: { nowMs: () => nowMs, wallMs: () => nowMs, sleep: () => Promise.resolve(), random: () => 0 },
      stat: () =>
        broken
          ? Promise.reject(new Error('broken'))
          : Promise.resolve({ type: 0x0102_1994, bsize: MIB, blocks: 64, bfree: 64 - usedMib, bavail: 64 - usedMib }),
    });
    const lookAt = async (seconds: number, used: number): Promise<void> => {
      nowMs = seconds * 1000;
      usedMib = used;
      await guard.look();
    };

    await lookAt(0, 50);
    assert.deepEqual(told, []);
    await lookAt(5, 60);
    await lookAt(10, 60);
    assert.deepEqual(told, ['18 MiB, 2']);
    assert.equal(troubles.current().length, 1);
    await lookAt(20, 30);
    broken = true;
    await lookAt(30, 30);
    assert.equal(troubles.current().length, 2);
    broken = false;
    await lookAt(320, 30);
    assert.deepEqual(told, ['18 MiB, 2', '36 MiB, 1']);
    assert.deepEqual(troubles.current(), []);
    assert.equal(lines.length, 4);
  });
});

describe('what the head takes', () => {
  it('is what is allocated for WAL and head chunks, and nothing before there are any', async () => {
    await using folder = await temporaryFolder();
    assert.equal(await readHeadBytes(folder.path), 0);
    await mkdir(join(folder.path, 'wal', 'checkpoint.00000001'), { recursive: true });
    await mkdir(join(folder.path, '01HQ0000000000000000000000'));
    await writeFile(join(folder.path, 'wal', '00000002'), Buffer.alloc(10_000, 1));
    await writeFile(join(folder.path, 'wal', 'checkpoint.00000001', '00000000'), Buffer.alloc(10_000, 1));
    await writeFile(join(folder.path, '01HQ0000000000000000000000', 'index'), Buffer.alloc(90_000, 1));
    const bytes = await readHeadBytes(folder.path);
    assert.ok(bytes >= 20_000 && bytes < 60_000, `${bytes}`);
  });
});
