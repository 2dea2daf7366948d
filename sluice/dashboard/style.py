"""The page's style: system fonts, two inks, hairlines; light and dark, from 320 px on."""

STYLE = """
:root{color-scheme:light dark;--paper:#fdfdfb;--ink:#1c1c1a;--soft:#5c5c57;--hair:#d9d8d2;
--line:#1f5fa8;--fill:#8fb0d6;--bad:#a3261b;--warm:#8a5200;--wash:#f3f2ec}
@media (prefers-color-scheme:dark){:root{--paper:#16171a;--ink:#e8e7e2;--soft:#a6a59f;
--hair:#3a3b3f;--line:#8db8ec;--fill:#41658f;--bad:#ff9c90;--warm:#e5b567;--wash:#202125}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.45 system-ui,sans-serif;
font-variant-numeric:tabular-nums lining-nums}
header,main,footer,.skip:focus{max-width:70rem;margin:0 auto;padding:0 1rem}
header{padding-top:1.6rem}
h1{font-size:1.7rem;line-height:1.2;font-weight:600;letter-spacing:-.015em;margin:0}
h1 small{font-size:1rem;font-weight:400;color:var(--soft);letter-spacing:0;margin-left:.5rem}
h2{font-size:1.15rem;font-weight:600;margin:0 0 .5rem}
h3{font-size:1rem;font-weight:600;margin:1.2rem 0 .3rem}
.lead{font-size:1.1rem;max-width:46rem;margin:.7rem 0}
.note{color:var(--soft);max-width:46rem;margin:.3rem 0 .7rem;font-size:.9rem}
.bad{color:var(--bad);font-weight:600}
a{color:var(--line);text-underline-offset:.15em;text-decoration-thickness:1px}
a:focus-visible,summary:focus-visible,select:focus-visible,button:focus-visible,
.wide:focus-visible{outline:2px solid var(--line);outline-offset:2px}
.skip{position:absolute;left:-999px}
.skip:focus{position:static;display:block;padding:.5rem 1rem}
nav ul{list-style:none;display:flex;flex-wrap:wrap;gap:0 1.1rem;padding:0;margin:.8rem 0 0}
nav a{display:inline-block;padding:.3rem 0}
form{display:flex;flex-wrap:wrap;gap:.5rem 1rem;align-items:center;margin:.6rem 0 0;
font-size:.9rem;color:var(--soft)}
select,button{font:inherit;color:var(--ink);background:var(--paper);border:1px solid var(--soft);
border-radius:3px;padding:.3rem .5rem;max-width:14rem;min-height:2.1rem}
button{cursor:pointer}
section{border-top:1px solid var(--hair);padding:1.1rem 0 .6rem;margin-top:1rem}
dl{display:flex;flex-wrap:wrap;gap:.5rem 2rem;margin:.3rem 0 1rem}
dt{font-size:.82rem;color:var(--soft)}
dd{margin:0;font-size:1.35rem;line-height:1.25}
.multiples{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,19rem),1fr));
gap:1.3rem 2rem;align-items:start}
.multiples h3{margin:0;font-size:.95rem}
figure{margin:0;min-width:0}
figcaption{font-weight:600;font-size:.95rem;overflow-wrap:anywhere}
figcaption span{font-weight:400;color:var(--soft)}
figure .note{margin:.1rem 0 .3rem}
svg{display:block;width:100%;height:auto;max-width:26rem;overflow:visible}
svg text{font-size:11px;fill:var(--soft)}
.rule{stroke:var(--hair);stroke-width:1}.diagonal{stroke:var(--soft);stroke-dasharray:2 3}
.mark{stroke:var(--warm);stroke-width:1;stroke-dasharray:2 2}
.window{fill:var(--fill)}.reference{fill:none;stroke:var(--ink);stroke-width:1}
svg .bad{fill:var(--bad)}
.dot{fill:var(--line);fill-opacity:.75}
.line polyline{fill:none;stroke-width:1.5}
.line text{fill:var(--ink)}
.k0 polyline{stroke:var(--line)}.k0 circle{fill:var(--line)}
.k1 polyline{stroke:var(--ink)}.k1 circle{fill:var(--ink)}
.k2 polyline{stroke:var(--warm)}.k2 circle{fill:var(--warm)}
.k3 polyline{stroke:var(--soft)}.k3 circle{fill:var(--soft)}
.key{display:inline-block;width:.85rem;height:.75rem;vertical-align:-.08rem;margin-right:.3rem}
.key.solid{background:var(--fill)}.key.hollow{border:1px solid var(--ink)}
details{margin:.3rem 0}
summary{cursor:pointer;font-size:.85rem;color:var(--soft);padding:.25rem 0}
.wide{overflow-x:auto;max-width:100%}
table{border-collapse:collapse;min-width:min(100%,19rem);font-size:.9rem;margin:.3rem 0 .8rem}
caption{text-align:left;color:var(--soft);font-size:.85rem;padding-bottom:.2rem}
th,td{text-align:left;font-weight:400;padding:.28rem 1.1rem .28rem 0;vertical-align:top;
border-bottom:1px solid var(--hair)}
thead th{color:var(--soft);font-size:.82rem;white-space:nowrap}
.n{text-align:right;white-space:nowrap}
.words .n{text-align:left;white-space:normal}
tbody th{overflow-wrap:break-word;min-width:5.5rem;max-width:16rem}
.words td{min-width:4.5rem;max-width:26rem;overflow-wrap:break-word}
ol.told{padding-left:1.6rem;margin:.3rem 0 .8rem;max-width:46rem}
ol.plain{list-style:none;padding-left:0}
ol.told li{padding:.2rem 0;overflow-wrap:anywhere}
ol.flow{list-style:none;display:flex;flex-wrap:wrap;gap:.6rem 1.9rem;padding:0;margin:.6rem 0 1rem}
ol.flow li{position:relative;flex:1 1 8.6rem;max-width:14rem;border:1px solid var(--soft);
border-radius:4px;padding:.5rem .7rem;background:var(--wash)}
ol.flow li+li::before{content:"→";position:absolute;left:-1.5rem;top:50%;
transform:translateY(-50%);color:var(--soft)}
ol.flow strong{display:block;overflow-wrap:anywhere}
ol.flow span{display:block;font-size:.85rem;color:var(--soft)}
code,pre{font:.88em/1.5 ui-monospace,monospace}
pre{background:var(--wash);padding:.7rem .9rem;overflow-x:auto;max-width:46rem}
footer{color:var(--soft);font-size:.85rem;padding:1.4rem 1rem 2rem}
@media (max-width:40rem){h1 small{display:block;margin:.1rem 0 0}
ol.flow{flex-direction:column;gap:1.5rem}ol.flow li{max-width:none;flex-basis:auto}
ol.flow li+li::before{content:"↓";left:50%;top:-1.5rem;transform:none}}
@media print{nav,form,.skip{display:none}details{display:block}}
"""
