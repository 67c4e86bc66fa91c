import { compareText, shortLine } from '../shared/text.ts';

/** How much of what Tsuru says is quoted, in characters. */
const LONGEST_QUOTE = 300;

/**
 * An app's `error` is one text with a part for each thing that Tsuru could not find out; a part begins with these words on a new line
 * (tsuru's sources, app.AppInfo).
 */
const PART = /\n(?=unable to )/;
/** Parts that say nothing about units or their addresses. "app addresses" are those of routers. */
const OTHER =
  /^unable to get (units metrics|app quota|autoscale (recommendation )?info|volume binds|service instance bound to app|app addresses|cluster name)\b/;
const UNITS = /\bunits?\b|\baddress(es)?\b|\bprovisioner\b/i;
/** Surely about units, wherever it stands. */
const SURELY_UNITS = /unable to (list app units|get app cluster internal addresses)/;

/** What of an app's `error` may be about its units, as a quote for people; undefined when nothing is. */
export function unitsError(
  error: unknown,
): { readonly subject: 'units' | 'unclear'; readonly quote: string } | undefined {
  if (error === undefined || error === null || error === '') return undefined;
  const text = typeof error === 'string' ? error : JSON.stringify(error);
  const parts = text
    .split(PART)
    .map((part) => part.trim())
    .filter((part) => part !== '' && (SURELY_UNITS.test(part) || !OTHER.test(part)));
  if (parts.length === 0) return undefined;
  return {
    subject: parts.some((part) => UNITS.test(part)) ? 'units' : 'unclear',
    quote: shortLine(parts.sort(compareText).join(' '), LONGEST_QUOTE),
  };
}
