import { formatDuration } from '../shared/duration.ts';
import { usageChart } from './chart.ts';
import type { PageFacts } from './facts.ts';
import { forecast, type Forecast } from './forecast.ts';
import { html, type Content, type Html } from './html.ts';
import { bytesText, percentText, spanText } from './words.ts';

/** How much of the storage is used, with a chart, and what becomes of it. */
export function storageTile(facts: PageFacts): Html {
  const { capacity } = facts.status;
  if (capacity === undefined) {
    return html`<div class="tile">
      <h3>Storage</h3>
      <p class="big">not known</p>
      <p class="sub">Somebody else runs this Prometheus, so the agent does not see its storage.</p>
    </div>`;
  }
  const { volumeUsedBytes: used, volumeBytes: size, volume, retentionSizeBytes } = capacity;
  const limitBytes = retentionSizeBytes ?? size;
  const { usage } = facts;
  const chart = usage.known && limitBytes !== undefined ? usageChart(usage.value, limitBytes) : undefined;
  const share = used === undefined || size === undefined ? '' : ` (${percentText(used / size)})`;
  return html`<div class="tile wide">
    <h3>Storage</h3>
    <p class="big">
      ${used === undefined ? 'not known' : bytesText(used)}${size !== undefined && html` <span class="of">of ${bytesText(size)}${share}</span>`}
    </p>
    ${chart}
    <p class="sub">
      ${kindText(volume)}${retentionSizeBytes !== undefined && `, data up to ${bytesText(retentionSizeBytes)}`}.
      ${
        limitBytes === undefined
          ? 'It has no limit.'
          : usage.known
            ? forecastText(
                forecast({
                  usage: usage.value,
                  limitBytes,
                  nowMs: facts.nowMs,
                  oldestMs: facts.oldestMs,
                  retentionMs: facts.settings.retentionMs,
                }),
                formatDuration(facts.settings.retentionMs),
              )
            : `How it grows is not known: ${usage.reason}.`
      }
    </p>
  </div>`;
}

function kindText(volume: 'tmpfs' | 'disk'): string {
  return volume === 'tmpfs' ? 'In memory' : 'On disk';
}

function forecastText(what: Forecast, retention: string): Content {
  switch (what.kind) {
    case 'unknown':
      return 'How it grows is known after ten minutes.';
    case 'steady':
      return 'It does not grow.';
    case 'full':
      return 'It is full: the oldest samples make room for new ones.';
    case 'by_age':
      return `It does not fill: samples go after ${retention}, the oldest in ${spanText(what.inMs)}.`;
    case 'fills':
      return html`<strong>Full in about ${spanText(what.inMs)}</strong>: then the oldest samples make room for new ones
        before they are ${retention} old.`;
  }
}
