package randomize
import ("testing";"os";"fmt")
func TestZZ(t *testing.T){
 k := newKeyed(seed{'v'}) // any fixed numbers
 num := func(name string) func(n int) int { s:=k.stream(name); return s.uniform }
 roster := func(name string, n, strata int, columns ...string) Roster {
  u := num(name)
  var units []Unit
  for i := range n {
   x := Unit{ID: fmt.Sprintf("%d", 100000+u(60000)*10+i%10), Stratum: []string{"North / high","North / low","Süd, \"x\"","ä","b"}[u(strata)]}
   for _, c := range columns { switch c {
    case "sequence": x.Balance=append(x.Balance,int64(u(2*n)))
    case "set": x.Balance=append(x.Balance,int64(i/2+1))
    case "set3": x.Balance=append(x.Balance,int64(i/3+1))
    case "class": x.Balance=append(x.Balance,int64(1000+100*len(x.Stratum)+u(4)))
    case "easting": x.Balance=append(x.Balance,int64(380000+u(80000)))
    case "northing": x.Balance=append(x.Balance,int64(350000+u(90000)))
    case "trust": x.Balance=append(x.Balance,int64(u(40)))
    case "federation": v:=0; if i<6 {v=1+i/2}; x.Balance=append(x.Balance,int64(v))
    case "region": x.Balance=append(x.Balance,int64(u(2)-1))
    case "high": x.Balance=append(x.Balance,int64(u(2)))
    case "level": x.Balance=append(x.Balance,int64(u(3)))
    case "hub.north","hub.south","hub.east": x.Balance=append(x.Balance,int64(5+u(80)))
    default: x.Balance=append(x.Balance,int64(u(4000)-2000)) } }
   units=append(units,x)
  }
  for i := range columns { if columns[i]=="set3" {columns[i]="set"} }
  r, err := NewRoster(columns, units); if err!=nil {t.Fatal(err)}
  return r }
 minutes := func(r Roster) Roster { u:=num("minutes"); n:=len(r.Units); for _, x := range r.Units { r.Columns=append(r.Columns,"minutes."+x.ID)}
  for i := range r.Units { for j := range n { v:=0; if i!=j { v=10+u(50)}; r.Units[i].Balance=append(r.Units[i].Balance,int64(v)) } }; return r }
 two := []ArmSpec{{"rlc",1},{"control",1}}; three := []ArmSpec{{"full",2},{"light",1},{"control",3}}
 put := func(name string, d Design, r Roster) {
  if err:=Check(d,r); err!=nil { t.Fatal(name, err) }
  w := func(ext string, b []byte) { if err:=os.WriteFile("testdata/vectors/"+name+"."+ext,b,0o644);err!=nil{t.Fatal(err)} }
  w("design",d.Text()); w("roster",r.Text()); w("chance",[]byte(Digest([]byte(name))+"\n"))
 }
 put("complete", Design{Method:Complete,Arms:three}, roster("complete",20,3))
 put("simple", Design{Method:Simple,Arms:three}, roster("simple",20,2))
 put("efron", Design{Method:Efron,Arms:two,BestPerMille:667}, roster("efron",30,2,"sequence"))
 put("pairs", Design{Method:Pairs,Arms:two,Misfits:Pooled}, roster("pairs",23,1,"set","ks2"))
 put("triples", Design{Method:Pairs,Arms:[]ArmSpec{{"a",1},{"b",1},{"c",1}},Misfits:Within}, roster("triples",19,1,"set3"))
 put("clusters", Design{Method:Stratified,Arms:two,Misfits:Pooled,Cluster:"class"}, roster("clusters",30,4,"class"))
 f := []ColumnWeight{{"stratum",2},{"level",1},{"high",3}}
 put("minimisation-range", Design{Method:Minimisation,Arms:two,Imbalance:ImbalanceRange,BestPerMille:800,Weights:f}, roster("m1",30,3,"sequence","level","high"))
 put("minimisation-ratio", Design{Method:Minimisation,Arms:three,Imbalance:ImbalanceVariance,BestPerMille:750,Weights:f}, roster("m2",30,3,"sequence","level","high"))
 put("minimisation-sd", Design{Method:Minimisation,Arms:three,Imbalance:ImbalanceSD,BestPerMille:900,Weights:f}, roster("m3",30,3,"sequence","level","high"))
 put("minimisation-taves", Design{Method:Minimisation,Arms:[]ArmSpec{{"a",1},{"b",1},{"c",1}},Imbalance:ImbalanceTaves,BestPerMille:700,Weights:f}, roster("m4",30,3,"sequence","level","high"))
 put("constrained-three", Design{Method:Constrained,Arms:three,Misfits:Within,Candidates:500,KeepPerMille:30,DistinctAtLeast:10,TogetherPerMille:[]int{0,900},Weights:[]ColumnWeight{{"ks2",2},{"fsm",1}}}, roster("c3",25,3,"ks2","fsm"))
 com := func(c ...Community) Design { return Design{Method:Complete,Arms:two,Communities:c} }
 put("community-within", Design{Method:Simple,Arms:two,Communities:[]Community{{Arm:"rlc",Min:1,Max:3,How:FormRandom,Column:"region"},{Arm:"control",Min:1,Max:4,How:FormRandom,Column:"stratum",Notional:true}}}, roster("cw",34,3,"region"))
 put("community-near", com(Community{Arm:"rlc",Min:5,Max:6,How:FormNear,Apart:[]string{"trust"},Starts:60,Keep:200},Community{Arm:"control",Min:5,Max:6,How:FormNear,Notional:true,Starts:40}), roster("cn",46,3,"easting","northing","trust"))
 put("community-mixed", com(Community{Arm:"rlc",Min:5,Max:6,How:FormMixed,Together:[]string{"federation"},Counts:[]CountLimit{{"high",1,1,5}},Balance:[]ColumnWeight{{"ks2",2},{"fsm",1}},Starts:50,Passes:3}), roster("cm",34,3,"federation","high","ks2","fsm"))
 put("community-frontier", com(Community{Arm:"rlc",Min:3,Max:5,How:FormNear,Number:4,Farthest:70000,Balance:[]ColumnWeight{{"ks2",1}},Mix:400,Starts:80,Keep:300}), roster("cf",34,3,"easting","northing","ks2"))
 put("community-minutes", com(Community{Arm:"rlc",Min:4,Max:5,How:FormRandom,Farthest:57,Starts:100,Passes:4}), minutes(roster("cmin",24,2)))
 put("community-hubs", com(Community{Arm:"rlc",Min:4,Max:6,How:FormNear,Farthest:80,Hubs:[]Hub{{"north",5},{"south",6},{"east",4}},Starts:40}), roster("ch",28,2,"hub.north","hub.south","hub.east"))
}
