import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { flagsOf } from '../../../../agent/prometheus/process/flags.ts';
import { featuresOf } from '../../../../agent/prometheus/api/features.ts';
import { readSettings } from '../../../../agent/shared/settings/settings.ts';

const QUICK = '--scrape.discovery-reload-interval=200ms';
const GOMAXPROCS = '--enable-feature=auto-gomaxprocs';

describe('the flags of Prometheus', () => {
  it('apply changed targets quickly, and let GOMAXPROCS follow the CPU limit, as far as a version needs and knows it', () => {
    const table = [
      { version: undefined, flags: [] },
      { version: '2.42.0+ds', flags: [GOMAXPROCS] },
      { version: '2.55.0', flags: [QUICK, GOMAXPROCS] },
      { version: '3.14.0', flags: [QUICK] },
    ];
    const settings = readSettings({});
    assert.ok(settings.ok);
    for (const { version, flags } of table) {
      const all = flagsOf({
        settings: settings.settings,
        features: featuresOf(version),
        retentionSizeBytes: undefined,
        goMemLimitBytes: undefined,
      });
      assert.deepEqual(
        all.filter((flag) => [QUICK, GOMAXPROCS].includes(flag)),
        flags,
        version,
      );
    }
  });
});
