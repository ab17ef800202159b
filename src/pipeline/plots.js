/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Draws the plots of the document on this page: the part of Vega-Lite that dv writes, and images.
 * Whatever comes from the document is put on the page as text or as a number, never as markup.
 */
(function () {
	"use strict";

	const SVG = "http://www.w3.org/2000/svg";
	const COLORS = ["#2f6fb7", "#e07b1a", "#2f9e5b", "#c8374a", "#8558b5", "#8c6239", "#d261a5",
		"#6f7680", "#a8a116", "#1aa3b3"];
	const DASHES = ["", "7 4", "2 3", "9 3 2 3", "12 5", "4 2 1 2"];
	const POINTS_MAX = 3000;	/* of one line; more would not be seen */
	const POINT_RADIUS = 2.6;

	/* -- the page ---------------------------------------------------------------------- */

	function element(parent, name, text, className) {
		const e = document.createElement(name);
		if (text !== undefined)
			e.textContent = text;
		if (className)
			e.className = className;
		if (parent)
			parent.appendChild(e);
		return e;
	}

	function shape(parent, name, attributes, text) {
		const e = document.createElementNS(SVG, name);
		for (const key of Object.keys(attributes || {}))
			e.setAttribute(key, attributes[key]);
		if (text !== undefined)
			e.textContent = text;
		if (parent)
			parent.appendChild(e);
		return e;
	}

	const tip = element(null, "div", "", "tip");

	function showTip(event, text) {
		tip.textContent = text;
		tip.hidden = false;
		const box = tip.getBoundingClientRect();
		const x = event.clientX + 14, y = event.clientY + 14;
		tip.style.left = Math.max(4, Math.min(x, innerWidth - box.width - 6)) + "px";
		tip.style.top = Math.max(4, Math.min(y, innerHeight - box.height - 6)) + "px";
	}

	function hideTip() {
		tip.hidden = true;
	}

	/* -- numbers ----------------------------------------------------------------------- */

	function showNumber(v) {
		if (typeof v !== "number")
			return String(v);
		if (v === 0 || Number.isInteger(v) && Math.abs(v) < 1e9)
			return String(v);
		const size = Math.abs(v);
		if (size >= 1e6 || size < 1e-4)
			return v.toExponential(3).replace(/\.?0+e/, "e");
		return String(Number(v.toPrecision(6)));
	}

	function niceStep(span, count) {
		const raw = span / count, power = Math.pow(10, Math.floor(Math.log10(raw)));
		const part = raw / power;
		return (part <= 1 ? 1 : part <= 2 ? 2 : part <= 5 ? 5 : 10) * power;
	}

	function linearTicks(low, high, count) {
		const step = niceStep(high - low, count), out = [];
		for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++)
			out.push(Number((i * step).toPrecision(12)));
		return out;
	}

	function logTicks(low, high) {
		const out = [];
		const from = Math.floor(Math.log10(low)), to = Math.ceil(Math.log10(high));
		const each = Math.max(1, Math.ceil((to - from) / 8));
		for (let e = from; e <= to; e += each)
			for (const m of to - from <= 2 ? [1, 2, 5] : [1]) {
				const v = m * Math.pow(10, e);
				if (v >= low * 0.999 && v <= high * 1.001)
					out.push(Number(v.toPrecision(12)));
			}
		return out;
	}

	function extent(values) {
		let low = Infinity, high = -Infinity;
		for (const v of values) {
			if (v < low)
				low = v;
			if (v > high)
				high = v;
		}
		return low <= high ? [low, high] : null;
	}

	/* -- scales: { of(value) -> pixel or NaN, ticks, label(value) } --------------------- */

	function quantitative(values, from, to, options) {
		const log = options.type === "log";
		const range = extent(values.filter(v => Number.isFinite(v) && (!log || v > 0)));
		let [low, high] = range || (log ? [1, 10] : [0, 1]);
		if (options.zero) {
			low = Math.min(low, 0);
			high = Math.max(high, 0);
		}
		if (log) {
			if (low === high) {
				low /= 2;
				high *= 2;
			}
			const a = Math.log10(low), b = Math.log10(high), gap = (b - a) * 0.03;
			const of = v => v > 0 ?
				from + (Math.log10(v) - a + gap) / (b - a + 2 * gap) * (to - from) : NaN;
			return { of: of, ticks: logTicks(low, high), label: showNumber };
		}
		if (low === high) {
			low -= Math.abs(low) / 2 || 1;
			high += Math.abs(high) / 2 || 1;
		}
		const gap = options.zero ? 0 : (high - low) * 0.03;
		if (low !== 0 || !options.zero)
			low -= gap;
		high += options.zero ? (high - low) * 0.03 : gap;
		return {
			of: v => from + (v - low) / (high - low) * (to - from),
			ticks: linearTicks(low, high, Math.max(2, Math.abs(to - from) / (to < from ? 40 : 70))),
			label: showNumber
		};
	}

	function bands(labels, from, to) {
		const place = new Map(), step = (to - from) / Math.max(1, labels.length);
		labels.forEach((l, i) => place.set(l, from + (i + 0.5) * step));
		const each = Math.ceil(14 / Math.max(Math.abs(step), 0.01));
		return {
			of: v => place.has(v) ? place.get(v) : NaN,
			step: Math.abs(step),
			ticks: labels.filter((l, i) => i % each === 0),
			label: v => shorten(String(v), 18)
		};
	}

	function shorten(s, n) {
		return s.length > n ? s.slice(0, n - 1) + "\u2026" : s;
	}

	function distinct(values) {
		return Array.from(new Set(values));
	}

	function scaleFor(channel, rows, from, to) {
		const values = rows.map(r => r[channel.field]);
		if (channel.type !== "quantitative")
			return bands(distinct(Array.isArray(channel.sort) ? channel.sort : values), from, to);
		const options = channel.scale || { zero: true };
		return quantitative(values, from, to, { type: options.type, zero: options.zero !== false &&
			options.type !== "log" });
	}

	/* -- a frame with axes -------------------------------------------------------------- */

	function textWidth(s) {
		return String(s).length * 6.2;
	}

	/* Lays out axes; draw(area) is called with the scales and the group to draw into. */
	function frame(parent, spec, rows, width, height) {
		const e = spec.encoding, probe = scaleFor(e.y, rows, height, 0);
		const wide = Math.min(150, Math.max(30, ...probe.ticks.map(t => textWidth(probe.label(t)))));
		const across = scaleFor(e.x, rows, 0, width);
		const slanted = across.step !== undefined &&
			across.ticks.some(t => textWidth(across.label(t)) > across.step - 4);
		const left = wide + 34, top = 10, bottom = slanted ? 84 : 46, right = 16;
		const svg = shape(parent, "svg", { width: left + width + right, height: top + height + bottom,
			role: "img" });
		const x = across;
		const y = e.y.type === "quantitative" ? probe : scaleFor(e.y, rows, 0, height);
		const g = shape(svg, "g", { transform: "translate(" + left + "," + top + ")" });
		const soft = shape(g, "g", { class: "soft" });

		shape(svg, "title", {}, String(spec.title));
		for (const t of x.ticks) {
			const at = x.of(t);
			shape(soft, "line", { class: "grid", x1: at, x2: at, y1: 0, y2: height });
			const label = shape(soft, "text", { x: at, y: height + 15, "text-anchor": "middle" },
				x.label(t));
			if (slanted) {
				label.setAttribute("text-anchor", "end");
				label.setAttribute("transform", "rotate(-35 " + at + " " + (height + 12) + ")");
			}
		}
		for (const t of y.ticks) {
			const at = y.of(t);
			shape(soft, "line", { class: "grid", x1: 0, x2: width, y1: at, y2: at });
			shape(soft, "text", { x: -6, y: at + 4, "text-anchor": "end" }, y.label(t));
		}
		shape(g, "line", { class: "axis", x1: 0, x2: width, y1: height, y2: height });
		shape(g, "line", { class: "axis", x1: 0, x2: 0, y1: 0, y2: height });
		shape(g, "text", { x: width / 2, y: height + bottom - 8, "text-anchor": "middle" },
			shorten(String(e.x.title), 70));
		shape(g, "text", { x: 0, y: 0, "text-anchor": "middle",
			transform: "translate(" + (12 - left) + "," + height / 2 + ") rotate(-90)" },
			shorten(String(e.y.title), 50));
		return { svg: svg, g: g, x: x, y: y, left: left, top: top, width: width, height: height };
	}

	/* -- series -------------------------------------------------------------------------- */

	function domainOf(channel, rows) {
		if (!channel)
			return [];
		return Array.isArray(channel.sort) ? channel.sort : distinct(rows.map(r => r[channel.field]));
	}

	/* The rows by what tells them apart, each with its colour and its dashes. */
	function seriesOf(spec, rows) {
		const e = spec.encoding, second = e.strokeDash || e.shape;
		const colors = domainOf(e.color, rows), kinds = domainOf(second, rows);
		const out = new Map();
		for (const r of rows) {
			const color = e.color ? r[e.color.field] : "", kind = second ? r[second.field] : "";
			const key = JSON.stringify([color, kind]);
			if (!out.has(key))
				out.set(key, { color: color, kind: kind, rows: [],
					stroke: COLORS[Math.max(0, colors.indexOf(color)) % COLORS.length],
					dash: Math.max(0, kinds.indexOf(kind)) % DASHES.length });
			out.get(key).rows.push(r);
		}
		return Array.from(out.values());
	}

	/* Locally weighted straight lines, as Vega's "loess". */
	function loess(points, bandwidth) {
		const p = points.slice().sort((a, b) => a[0] - b[0]), n = p.length;
		const take = Math.max(2, Math.min(n, Math.round(bandwidth * n))), out = [];
		const each = Math.max(1, Math.ceil(n / 400));
		if (n < 3)
			return p;
		for (let i = 0; i < n; i += i + each < n || i === n - 1 ? each : n - 1 - i) {
			const x0 = p[i][0];
			let a = Math.max(0, Math.min(i - (take >> 1), n - take)), b = a + take;
			while (b < n && p[b][0] - x0 < x0 - p[a][0]) {
				a++;
				b++;
			}
			const reach = Math.max(x0 - p[a][0], p[b - 1][0] - x0) || 1;
			let w = 0, wx = 0, wy = 0, wxx = 0, wxy = 0;
			for (let k = a; k < b; k++) {
				const far = Math.min(1, Math.abs(p[k][0] - x0) / reach);
				const c = Math.pow(1 - far * far * far, 3) || 1e-9, dx = p[k][0] - x0;
				w += c;
				wx += c * dx;
				wy += c * p[k][1];
				wxx += c * dx * dx;
				wxy += c * dx * p[k][1];
			}
			const det = w * wxx - wx * wx;
			out.push([x0, Math.abs(det) > 1e-12 ? (wy * wxx - wx * wxy) / det : wy / w]);
			if (i === n - 1)
				break;
		}
		return out;
	}

	/* The lowest and the highest of each stretch: what is thinned out cannot be seen. */
	function thin(points) {
		if (points.length <= POINTS_MAX)
			return points;
		const each = Math.ceil(points.length / (POINTS_MAX / 2)), out = [];
		for (let i = 0; i < points.length; i += each) {
			let low = i, high = i;
			for (let k = i; k < Math.min(points.length, i + each); k++) {
				if (points[k][1] < points[low][1])
					low = k;
				if (points[k][1] > points[high][1])
					high = k;
			}
			out.push(points[Math.min(low, high)]);
			if (low !== high)
				out.push(points[Math.max(low, high)]);
		}
		return out;
	}

	function place(area, spec, s) {
		const e = spec.encoding, out = [];
		for (const r of s.rows) {
			const px = area.x.of(r[e.x.field]), py = area.y.of(r[e.y.field]);
			if (Number.isFinite(px) && Number.isFinite(py))
				out.push([px, py, r, s]);
		}
		return out;
	}

	function mark(parent, kind, x, y, color) {
		const r = POINT_RADIUS + (kind ? 0.6 : 0);
		if (kind === 1)
			return shape(parent, "rect", { x: x - r, y: y - r, width: 2 * r, height: 2 * r,
				fill: color });
		if (kind === 2)
			return shape(parent, "path", { fill: color, d: "M" + x + " " + (y - r - 1) + "l" +
				(r + 1) + " " + (2 * r + 1) + "h" + -2 * (r + 1) + "z" });
		if (kind)
			return shape(parent, "path", { fill: color, d: "M" + x + " " + (y - r - 1) + "l" +
				(r + 1) + " " + (r + 1) + "l" + -(r + 1) + " " + (r + 1) + "l" + -(r + 1) +
				" " + -(r + 1) + "z" });
		return shape(parent, "circle", { cx: x, cy: y, r: r, fill: color });
	}

	/* Of lines that lie on each other the lower ones are wider, so that all can be seen. */
	function lineWidth(above) {
		return 1.8 + 1.4 * Math.min(above, 3);
	}

	function drawSeries(area, spec, s, above) {
		const g = shape(area.g, "g", { class: "series" });
		const kind = typeof spec.mark === "string" ? { type: spec.mark } : spec.mark;
		const points = place(area, spec, s);
		const smooth = (spec.transform || []).find(t => t.loess !== undefined);

		s.group = g;
		s.points = points;
		if (kind.type === "point" || smooth || points.length === 1) {
			const dots = smooth ? shape(g, "g", { opacity: 0.25 }) : g;
			thin(points).forEach(p => mark(dots, s.dash, p[0], p[1], s.stroke));
		}
		if (kind.type === "line" && points.length > 1) {
			const line = smooth ? loess(points, smooth.bandwidth || 0.3) : thin(points);
			shape(g, "polyline", { fill: "none", stroke: s.stroke, "stroke-width": lineWidth(above),
				"stroke-linejoin": "round", "stroke-dasharray": DASHES[s.dash],
				points: line.map(p => p[0].toFixed(2) + "," + p[1].toFixed(2)).join(" ") });
			if (kind.point)
				points.forEach(p => mark(g, 0, p[0], p[1], s.stroke));
		}
	}

	function drawBars(area, spec, series) {
		const e = spec.encoding, zero = area.x.of(0);
		const high = Math.max(1, area.y.step * 0.8 / series.length);
		series.forEach((s, i) => {
			const g = shape(area.g, "g", { class: "series" });
			s.group = g;
			s.points = place(area, spec, s);
			for (const p of s.points) {
				const y = p[1] - area.y.step * 0.4 + i * high;
				shape(g, "rect", { x: Math.min(zero, p[0]), y: y, fill: s.stroke,
					width: Math.max(1, Math.abs(p[0] - zero)), height: Math.max(1, high - 1) });
				p[1] = y + high / 2;
			}
		});
	}

	/* -- what answers the mouse ------------------------------------------------------------ */

	function describe(spec, point) {
		const e = spec.encoding, r = point[2], second = e.strokeDash || e.shape, lines = [];
		for (const channel of [e.color, second, e.x, e.y])
			if (channel)
				lines.push(channel.title + ": " + showNumber(r[channel.field]));
		return lines.join("\n");
	}

	function answerMouse(area, spec, series) {
		const dot = shape(area.g, "circle", { r: 4.5, fill: "none", "stroke-width": 2 });
		dot.style.display = "none";
		area.svg.addEventListener("mousemove", function (event) {
			const box = area.svg.getBoundingClientRect();
			const x = event.clientX - box.left - area.left, y = event.clientY - box.top - area.top;
			let best = null, least = 60 * 60;
			for (const s of series) {
				if (s.hidden)
					continue;
				for (const p of s.points) {
					const far = (p[0] - x) * (p[0] - x) + (p[1] - y) * (p[1] - y);
					if (far < least) {
						least = far;
						best = p;
					}
				}
			}
			dot.style.display = best ? "" : "none";
			if (!best)
				return hideTip();
			dot.setAttribute("cx", best[0]);
			dot.setAttribute("cy", best[1]);
			dot.setAttribute("stroke", best[3].stroke);
			showTip(event, describe(spec, best));
		});
		area.svg.addEventListener("mouseleave", function () {
			dot.style.display = "none";
			hideTip();
		});
	}

	/* Clicking on an entry hides and shows what it stands for. */
	function legend(parent, channel, entries, series, of) {
		if (!channel || entries.length === 0)
			return;
		const div = element(parent, "div", undefined, "legend");
		element(div, "b", String(channel.title));
		for (const entry of entries) {
			const button = element(div, "button");
			button.type = "button";
			entry.draw(button);
			element(button, "span", String(entry.name));
			button.addEventListener("click", function () {
				entry.off = !entry.off;
				button.className = entry.off ? "off" : "";
				for (const s of series) {
					if (s[of] === entry.name)
						s["off_" + of] = entry.off;
					s.hidden = s.off_color || s.off_kind;
					s.group.style.display = s.hidden ? "none" : "";
				}
			});
		}
	}

	function legends(parent, spec, series) {
		const e = spec.encoding, second = e.strokeDash || e.shape;
		const colors = distinct(series.map(s => s.color)), kinds = distinct(series.map(s => s.kind));
		legend(parent, e.color, colors.map(name => ({ name: name, draw: function (button) {
			const swatch = element(button, "span", undefined, "swatch");
			swatch.style.background = series.find(s => s.color === name).stroke;
		} })), series, "color");
		legend(parent, second, kinds.map(name => ({ name: name, draw: function (button) {
			const svg = shape(button, "svg", { width: 30, height: 10 });
			const dash = series.find(s => s.kind === name).dash;
			if (e.shape)
				mark(svg, dash, 15, 5, "currentColor");
			else
				shape(svg, "line", { x1: 0, x2: 30, y1: 5, y2: 5, stroke: "currentColor",
					"stroke-width": 1.8, "stroke-dasharray": DASHES[dash] });
		} })), series, "kind");
	}

	/* -- lines, points, bars ---------------------------------------------------------------- */

	function sortBars(spec, rows) {
		const sum = new Map();
		if (spec.encoding.y.sort !== "-x")
			return;
		for (const r of rows)
			sum.set(r.y, (sum.get(r.y) || 0) + r.x);
		spec.encoding.y.sort = Array.from(sum.keys()).sort((a, b) => sum.get(b) - sum.get(a));
	}

	function drawPlot(parent, spec) {
		const rows = spec.data.values, bars = spec.mark.type === "bar";
		let height = spec.height || 280;
		if (bars) {
			sortBars(spec, rows);
			const labels = distinct(rows.map(r => r.y)).length;
			height = Math.max(80, Math.min(4000, labels * 26));
		}
		const area = frame(parent, spec, rows, spec.width || 420, height);
		const series = seriesOf(spec, rows);
		if (bars)
			drawBars(area, spec, series);
		else
			series.forEach((s, i) => drawSeries(area, spec, s,
				series.slice(i + 1).filter(o => o.kind === s.kind).length));
		answerMouse(area, spec, series);
		legends(parent, spec, series);
	}

	/* -- matrices ----------------------------------------------------------------------------- */

	function blue(part) {
		const light = [235, 243, 251], dark = [8, 64, 129];
		const mix = light.map((v, i) => Math.round(v + (dark[i] - v) * part));
		return "rgb(" + mix.join(",") + ")";
	}

	function drawPanel(parent, spec, rows, heading, top) {
		const inner = spec.spec.encoding, value = spec.spec.layer[0].encoding.color.field;
		const labels = inner.x.sort.length;
		const size = Math.max(60, Math.min(46 * labels, Math.max(260, 16 * labels)));
		const box = element(parent, "div");
		element(box, "div", heading, "legend");
		const area = frame(box, { title: heading, encoding: {
			x: { field: "x", type: "nominal", title: inner.x.title, sort: inner.x.sort },
			y: { field: "y", type: "nominal", title: inner.y.title, sort: inner.y.sort }
		} }, rows, size, size);
		const w = area.x.step, h = area.y.step;

		for (const r of rows) {
			const x = area.x.of(r.x), y = area.y.of(r.y), part = top ? r[value] / top : 0;
			const text = value === "share" ? r.share.toFixed(2) : String(r.count);
			const cell = shape(area.g, "rect", { x: x - w / 2, y: y - h / 2, width: w, height: h,
				fill: blue(part) });
			if (textWidth(text) < w && h > 11) {
				const t = shape(area.g, "text", { x: x, y: y + 4, "text-anchor": "middle" }, text);
				t.style.fill = part > 0.5 ? "#ffffff" : "#1d2329";
				t.style.pointerEvents = "none";
			}
			cell.addEventListener("mousemove", event => showTip(event, inner.x.title + ": " + r.x +
				"\n" + inner.y.title + ": " + r.y + "\ncount: " + r.count + "\nshare: " +
				showNumber(r.share)));
			cell.addEventListener("mouseleave", hideTip);
		}
	}

	function drawMatrix(parent, spec) {
		const rows = spec.data.values, value = spec.spec.layer[0].encoding.color.field;
		const most = value === "share" ? 1 : (extent(rows.map(r => r.count)) || [0, 0])[1];
		const lines = spec.facet.row ? spec.facet.row.sort : [undefined];
		for (const line of lines) {
			const across = element(parent, "div", undefined, "row");
			for (const rev of spec.facet.column.sort) {
				const some = rows.filter(r => r.rev === rev && r.line === line);
				if (some.length)
					drawPanel(across, spec, some, line === undefined ? rev : rev + ": " + line,
						most);
			}
		}
	}

	/* -- images ----------------------------------------------------------------------------------- */

	function drawImage(parent, item) {
		const figure = element(parent, "figure");
		const image = element(figure, "img");
		image.alt = item.id + " (" + item.revision + ")";
		if (/^data:image\//.test(item.url))
			image.src = item.url;
		element(figure, "figcaption", item.revision);
	}

	/* -- all ----------------------------------------------------------------------------------- */

	const doc = JSON.parse(document.getElementById("dv-plots").textContent);
	const body = document.body;

	element(body, "h1", "Plots");
	element(body, "p", doc.revisions.join(", "), "about");
	const main = element(body, "main");
	const images = new Map();
	for (const item of doc.plots) {
		if (item.type === "image" && images.has(item.id)) {
			drawImage(images.get(item.id), item);
			continue;
		}
		const section = element(main, "section");
		element(section, "h2", item.type === "image" ? item.id : item.content.title);
		try {
			if (item.type === "image") {
				images.set(item.id, element(section, "div", undefined, "row"));
				drawImage(images.get(item.id), item);
			} else if (item.content.facet) {
				drawMatrix(section, item.content);
			} else {
				drawPlot(section, item.content);
			}
		} catch (problem) {
			element(section, "p", "This cannot be drawn: " + problem.message, "errors");
		}
	}
	if (doc.plots.length === 0)
		element(main, "p", "There is nothing to draw.");
	if (doc.errors.length) {
		const list = element(main, "ul", undefined, "errors");
		for (const e of doc.errors)
			element(list, "li", (e.revision ? e.revision + ": " : "") + e.message);
	}
	tip.hidden = true;
	body.appendChild(tip);
	body.dataset.drawn = "yes";
}());
