import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { askVersion, featuresOf } from '../../../../agent/prometheus/api/features.ts';

const ONLY_IN_2 = ['gomaxprocsFeature'];
const SINCE_2_47 = ['keepDropped', 'proxyFromEnvironment'];
const SINCE_2_55 = [...SINCE_2_47, 'headersInFiles', 'quickDiscovery'];

describe('what a version of Prometheus can do', () => {
  it('is taken from its number, and the least for one that is not known', () => {
    const table = [
      { version: undefined, can: [] },
      { version: 'dev', can: [] },
      { version: '2.42.0+ds', can: ONLY_IN_2 },
      { version: '2.43.0', can: [...ONLY_IN_2, 'proxyFromEnvironment'] },
      { version: '2.54.1', can: [...ONLY_IN_2, ...SINCE_2_47] },
      { version: '2.55.0', can: [...ONLY_IN_2, ...SINCE_2_55] },
      { version: '3.8.1', can: [...SINCE_2_55, 'fallbackProtocol'] },
      { version: '3.10.0', can: [...SINCE_2_55, 'fallbackProtocol'] },
      { version: '3.11.0', can: [...SINCE_2_55, 'fallbackProtocol', 'retentionInFile'] },
      { version: '3.12.0', can: [...SINCE_2_55, 'fallbackProtocol', 'retentionInFile', 'promptUpdates'] },
      { version: '3.13.2', can: [...SINCE_2_55, 'fallbackProtocol', 'retentionInFile', 'promptUpdates'] },
      {
        version: 'v3.14.0',
        can: [...SINCE_2_55, 'fallbackProtocol', 'retentionInFile', 'outOfOrder', 'promptUpdates'],
      },
      {
        version: '4.0.0-rc.0',
        can: [...SINCE_2_55, 'fallbackProtocol', 'retentionInFile', 'outOfOrder', 'promptUpdates'],
      },
    ];
    for (const { version, can } of table) {
      const features = Object.entries(featuresOf(version)).flatMap(([name, has]) => (has === true ? [name] : []));
      assert.deepEqual(features.sort(), can.toSorted(), version);
    }
  });

  it('is found out by running the program', async () => {
    const ask = (program: string): Promise<string> =>
      askVersion(program, { PATH: process.env['PATH'] ?? '' }, new AbortController().signal);
    assert.match(await ask('prometheus'), /^\d+\.\d+\.\d+/);
    await assert.rejects(ask('true'), /true --version does not say its version/);
    await assert.rejects(ask('no-such-program'), /ENOENT|does not say/);
  });
});
