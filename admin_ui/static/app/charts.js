// The charts of the overview. Colours are read from the style sheet, so they follow the theme.
(() => {
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const yuan = (fen) => {
    const digits = String(Math.abs(fen)).padStart(3, "0");
    const whole = digits.slice(0, -2).replace(/\B(?=(\d{3})+$)/g, ",");
    return `¥${whole}.${digits.slice(-2)}`;
  };
  const shortYuan = (fen) => {
    const chinese = document.documentElement.lang.startsWith("zh");
    const whole = Math.round(fen / 100);
    if (chinese) return whole >= 10000 ? `${+(whole / 10000).toFixed(1)}万` : String(whole);
    if (whole >= 1e6) return `${+(whole / 1e6).toFixed(1)}M`;
    if (whole >= 1e3) return `${+(whole / 1e3).toFixed(1)}k`;
    return String(whole);
  };

  let isFirst = true;
  const common = () => ({
    animation: isFirst,
    animationDuration: 350,
    textStyle: { fontFamily: getComputedStyle(document.body).fontFamily },
    grid: { left: 4, right: 12, top: 28, bottom: 2, outerBoundsMode: "same" },
    tooltip: {
      trigger: "axis",
      renderMode: "richText",
      confine: true,
      backgroundColor: colour("--surface"),
      borderColor: colour("--line"),
      textStyle: { color: colour("--ink"), fontSize: 12 },
    },
  });
  const valueAxis = () => ({
    type: "value",
    splitNumber: 3,
    axisLabel: { color: colour("--quiet"), formatter: shortYuan },
    splitLine: { lineStyle: { color: colour("--line") } },
  });
  const categories = (data, interval) => ({
    type: "category",
    data,
    axisTick: { show: false },
    axisLine: { lineStyle: { color: colour("--line") } },
    axisLabel: { color: colour("--quiet"), interval },
  });

  const today = (data) => {
    const hours = Array.from({ length: 24 }, (_, hour) => `${String(hour).padStart(2, "0")}:00`);
    const base = common();
    const line = (name, values, extra) => ({ name, type: "line", data: JSON.parse(values), showSymbol: false, smooth: 0.25, ...extra });
    return {
      ...base,
      legend: { right: 8, top: 0, icon: "roundRect", itemWidth: 12, itemHeight: 4, textStyle: { color: colour("--quiet") } },
      tooltip: { ...base.tooltip, valueFormatter: (value) => (value === null || value === undefined ? "–" : yuan(value)) },
      xAxis: { ...categories(hours, 3), boundaryGap: false },
      yAxis: valueAxis(),
      series: [
        line(data.labelYesterday, data.yesterday, { lineStyle: { width: 1.5, type: "dashed" }, color: colour("--faint") }),
        line(data.labelToday, data.today, { lineStyle: { width: 2.5 }, color: colour("--accent"), areaStyle: { opacity: 0.12 } }),
      ],
    };
  };

  const days = (data) => {
    const rows = JSON.parse(data.days);
    const base = common();
    return {
      ...base,
      tooltip: {
        ...base.tooltip,
        formatter: ([bar]) => `${bar.name}\n${yuan(bar.value)}\n${data.labelPayments} ${rows[bar.dataIndex][2].toLocaleString("en")}`,
      },
      xAxis: categories(rows.map(([day]) => day), window.innerWidth < 600 ? 2 : 1),
      yAxis: valueAxis(),
      series: [{
        type: "bar",
        barMaxWidth: 26,
        itemStyle: { borderRadius: [4, 4, 0, 0] },
        data: rows.map(([, amount], place) => ({
          value: amount,
          itemStyle: { color: colour(place === rows.length - 1 ? "--accent" : "--accent-soft") },
        })),
      }],
    };
  };

  const kinds = { today, days };
  const drawAll = () => {
    for (const place of document.querySelectorAll("[data-chart]")) {
      const chart = echarts.getInstanceByDom(place) || echarts.init(place);
      chart.setOption(kinds[place.dataset.chart](place.dataset), true);
    }
    isFirst = false;
  };
  const resizeAll = () => {
    for (const place of document.querySelectorAll("[data-chart]")) echarts.getInstanceByDom(place)?.resize();
  };

  drawAll();
  window.addEventListener("resize", resizeAll);
  document.addEventListener("theme-changed", drawAll);
  document.addEventListener("htmx:afterSettle", drawAll);
  document.addEventListener("htmx:beforeCleanupElement", (event) => {
    const chart = echarts.getInstanceByDom(event.target);
    if (chart) chart.dispose();
  });
})();
