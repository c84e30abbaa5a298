package trialtest

// authority is a local authority with the middle of its area on the national
// grid, in km, and how far its schools lie from it.
type authority struct {
	code              int
	name              string
	east, north, wide float64
}

type region struct {
	name        string
	share       float64 // of the schools
	authorities []authority
}

var regions = []region{
	{"North East", 0.06, []authority{{390, "Gateshead", 424, 560, 6}, {391, "Newcastle upon Tyne", 424, 567, 6}, {394, "Sunderland", 438, 556, 6}, {840, "Durham", 427, 542, 16}}},
	{"North West", 0.15, []authority{{352, "Manchester", 385, 397, 7}, {341, "Liverpool", 338, 391, 7}, {353, "Oldham", 393, 405, 6}, {888, "Lancashire", 356, 430, 20}}},
	{"Yorkshire and The Humber", 0.11, []authority{{383, "Leeds", 430, 434, 9}, {373, "Sheffield", 435, 388, 9}, {380, "Bradford", 416, 434, 8}, {815, "North Yorkshire", 438, 476, 25}}},
	{"East Midlands", 0.09, []authority{{855, "Leicestershire", 458, 305, 16}, {831, "Derby", 436, 336, 5}, {891, "Nottinghamshire", 462, 358, 16}, {925, "Lincolnshire", 510, 360, 25}}},
	{"West Midlands", 0.12, []authority{{330, "Birmingham", 407, 287, 9}, {331, "Coventry", 433, 279, 6}, {335, "Walsall", 401, 299, 5}, {860, "Staffordshire", 392, 320, 18}}},
	{"East of England", 0.11, []authority{{881, "Essex", 570, 210, 20}, {919, "Hertfordshire", 525, 212, 14}, {926, "Norfolk", 605, 308, 24}, {935, "Suffolk", 605, 262, 22}}},
	{"London", 0.13, []authority{{202, "Camden", 528, 184, 3}, {204, "Hackney", 534, 185, 3}, {211, "Tower Hamlets", 536, 182, 3}, {304, "Brent", 520, 185, 4}, {306, "Croydon", 533, 164, 5}}},
	{"South East", 0.13, []authority{{886, "Kent", 590, 150, 22}, {850, "Hampshire", 450, 125, 20}, {936, "Surrey", 510, 152, 14}, {845, "East Sussex", 555, 115, 16}}},
	{"South West", 0.10, []authority{{878, "Devon", 280, 95, 22}, {908, "Cornwall", 190, 50, 20}, {916, "Gloucestershire", 390, 212, 15}, {801, "Bristol, City of", 360, 174, 6}}},
}

// Names are made of parts that sound English and belong to nobody.
var (
	placeFirst  = []string{"Ash", "Birch", "Brook", "Cold", "Dun", "East", "Elm", "Fern", "Green", "Hazel", "High", "Lang", "Lower", "Maple", "Mill", "North", "Oak", "Old", "Rook", "Sand", "South", "Stan", "Stone", "Thorn", "Upper", "West", "White", "Willow", "Win", "Wood"}
	placeSecond = []string{"bourne", "bridge", "bury", "combe", "dale", "field", "ford", "gate", "ham", "hurst", "ley", "mead", "mere", "moor", "stead", "thorpe", "ton", "well", "wick", "worth"}
	saints      = []string{"St Aidan's", "St Anne's", "St Chad's", "St Cuthbert's", "St Hilda's", "St John's", "St Mary's", "St Michael's", "St Oswald's", "St Peter's", "St Wilfrid's", "All Saints"}
	trustFirst  = []string{"Beacon", "Bridgewater", "Compass", "Evergreen", "Harbour", "Horizon", "Keystone", "Lantern", "Meridian", "Northstar", "Orchard", "Pathway", "Ridgeway", "Sunrise", "Tideway", "Waymark"}
	trustSecond = []string{"Academies Trust", "Education Trust", "Learning Trust", "Multi Academy Trust", "Schools Trust"}
	firstNames  = []string{"Aisha", "Alex", "Amelia", "Amir", "Anna", "Ben", "Beth", "Callum", "Chloe", "Daniel", "Dylan", "Ella", "Ethan", "Farah", "Freya", "George", "Grace", "Hana", "Harry", "Imran", "Isla", "Jack", "Jasmine", "Jude", "Kai", "Leah", "Leo", "Lily", "Maya", "Mia", "Mohammed", "Nadia", "Noah", "Olivia", "Oscar", "Priya", "Rosa", "Ruby", "Sam", "Sofia", "Theo", "Tom", "Yusuf", "Zara"}
	lastNames   = []string{"Abbott", "Ahmed", "Allen", "Bailey", "Barker", "Begum", "Bell", "Brown", "Carter", "Clarke", "Cooper", "Davies", "Dixon", "Edwards", "Evans", "Fisher", "Foster", "Gill", "Green", "Hall", "Harris", "Hughes", "Hussain", "Jackson", "Jones", "Kaur", "Khan", "King", "Lewis", "Marsh", "Mason", "Mills", "Nowak", "Owen", "Parker", "Patel", "Price", "Reid", "Shah", "Shaw", "Singh", "Smith", "Taylor", "Turner", "Walker", "Ward", "Webb", "Wood", "Wright", "Young"}
)
