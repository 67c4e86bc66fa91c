import { createPage } from '../budget/load/page.ts';
import type { InProcess } from '../tsuru/images.ts';
import { httpUnit } from './unit.ts';

/** What a unit exposes at present. */
export interface Series {
  readonly series: number;
  /** This many of them have another label value with each scrape. */
  readonly churning?: number;
}

/** A unit that exposes as many series as is said of its app at the moment it is scraped. */
export function seriesUnit(of: (app: string) => Series): InProcess {
  let seed = 0;
  return httpUnit(({ app }) => {
    const page = createPage(++seed);
    let scrapes = 0;
    return (_request, response) => {
      const { series, churning = 0 } = of(app);
      scrapes += 1;
      const fresh = Array.from({ length: churning }, (_none, index) => `request_seen{id="${scrapes}-${index}"} 1\n`);
      response.setHeader('content-type', 'text/plain; version=0.0.4');
      response.end(page(series - churning) + fresh.join(''));
    };
  });
}
